#include "model/blocks/embed.h"

#include <cstring>

#include "model/blocks/norm.h"
#include "ops/embed.h"

namespace fastplm {

void count_positions(const EmbedSpec& spec, std::span<const int32_t> ids, int64_t length, int32_t* positions) {
  const LearnedPositions learned = spec.positions.value_or(LearnedPositions{});
  const bool skip = learned.skip_padding && !ids.empty();
  int64_t next = learned.first;
  for (int64_t i = 0; i < length; ++i) {
    const bool padding = skip && ids[size_t(i)] == learned.padding_id;
    positions[i] = int32_t(padding ? learned.padding_id : next++);
  }
}

static void fill_positions(const EmbedSpec& spec, const Batch& batch, int32_t* positions) {
  if (batch.position_ids) {
    std::memcpy(positions, batch.position_ids.data, size_t(batch.tokens()) * sizeof(int32_t));
    return;
  }
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  const int32_t* ids = batch.ids.as<int32_t>();
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    const int64_t length = start[s + 1] - start[s];
    count_positions(spec, ids ? std::span(ids + start[s], size_t(length)) : std::span<const int32_t>(), length,
                    positions + start[s]);
  }
}

void embed_block(const Spec& spec, const Weights& weights, const Batch& batch, Activations& a) {
  fill_positions(spec.embed, batch, a.position_ids.as<int32_t>());
  ops::embed({.tokens = weights.tokens, .segments = weights.segments, .positions = weights.positions}, batch.ids,
             batch.embeds, batch.segment_ids, a.position_ids, a.x);
  if (spec.embed.norm) norm_block(spec.norm, weights.embed_norm, a.x, a.h, true);
}

}  // namespace fastplm
