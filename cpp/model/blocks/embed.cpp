#include "model/blocks/embed.h"

#include <cstring>

#include "model/blocks/norm.h"
#include "ops/embed.h"

namespace fastplm {

EmbedWeights load_embed(Loader& load, const EmbedSpec& spec, int64_t width) {
  EmbedWeights weights;
  weights.tokens = load.tokens(spec.vocab, width);
  if (spec.segments) weights.segments = load.table("embed.segments", {spec.segments, width});
  if (spec.positions) weights.positions = load.table("embed.positions", {spec.positions->count, width});
  if (spec.norm) weights.norm = load.norm("embed.norm", 0, width, spec.norm->bias);
  return weights;
}

void count_positions(const EmbedSpec& spec, std::span<const int32_t> ids, int64_t length, int64_t past,
                     int32_t* positions) {
  const LearnedPositions learned = spec.positions.value_or(LearnedPositions{.count = 0});
  int64_t next = learned.first + past;
  for (int64_t i = 0; i < length; ++i) {
    const bool padding = learned.padding_id && !ids.empty() && ids[size_t(i)] == *learned.padding_id;
    positions[i] = int32_t(padding ? *learned.padding_id : next++);
  }
}

static void fill_positions(const EmbedSpec& spec, const Batch& batch, const int64_t* past, int32_t* positions) {
  if (batch.position_ids) {
    std::memcpy(positions, batch.position_ids.data, size_t(batch.tokens()) * sizeof(int32_t));
    return;
  }
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  const int32_t* ids = batch.ids.as<int32_t>();
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    const int64_t length = start[s + 1] - start[s];
    count_positions(spec, ids ? std::span(ids + start[s], size_t(length)) : std::span<const int32_t>(), length,
                    past ? past[s] : 0, positions + start[s]);
  }
}

void embed_block(const EmbedSpec& spec, const EmbedWeights& weights, const Batch& batch, const int64_t* past,
                 Space& a) {
  fill_positions(spec, batch, past, a.position_ids.as<int32_t>());
  ops::embed({.tokens = weights.tokens.rows,
              .packed = weights.tokens.packed,
              .segments = weights.segments,
              .positions = weights.positions,
              .scale = spec.scale},
             batch.ids, batch.embeds, batch.segment_ids, a.position_ids, a.x);
  if (spec.norm) norm_block(*spec.norm, weights.norm, a.x, a.h, true);
}

}  // namespace fastplm
