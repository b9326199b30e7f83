#include "model/generate/next_token.h"

#include <algorithm>
#include <limits>

namespace fastplm {

size_t logits_head(const Model& model) {
  const auto& heads = model.heads();
  for (size_t i = 0; i < heads.size(); ++i) {
    if (heads[i].spec.name == std::string("logits") && !heads[i].spec.per_sequence()) return i;
  }
  fail(ErrorKind::kValue, "generate: this model has no logits of a next token");
}

static int32_t next_position(int32_t position) {
  if (position == std::numeric_limits<int32_t>::max())
    fail(ErrorKind::kValue, "generate: position_ids hold ", position, "; expected room for the next token's");
  return position + 1;
}

EngineNextToken::EngineNextToken(const Model& model, Cache& cache, const Prompt& prompt)
    : model_(model), cache_(cache), prompt_(prompt), head_(logits_head(model)) {
  if (prompt_.encoder) encoder_.emplace(*prompt_.encoder, *model.spec().encoder);
  const PaddedInput& in = prompt_.input;
  const int64_t columns = cache.columns + in.length;
  for (int64_t b = 0; b < in.batch; ++b) {
    if (in.position_ids) positions_.push_back(next_position(in.position_ids[(b + 1) * in.length - 1]));
    if (prompt_.later_mask)
      masks_.emplace_back(prompt_.later_mask + b * columns, prompt_.later_mask + (b + 1) * columns);
  }
}

void EngineNextToken::run(const PaddedInput& input, float* logits) {
  const Packing packing(input, *model_.spec().decoder, &cache_);
  const int64_t vocab = model_.heads()[head_].width;
  Outputs out{.last_rows = true};
  out.heads.resize(model_.heads().size());
  out.heads[head_] = {logits, DType::kF32, Device::kCpu, {input.batch, vocab}};
  Model::Decoding decoding{.cache = &cache_, .states = {}, .starts = {}, .columns = {}, .past = packing.past()};
  if (encoder_) {
    decoding.states = encoder_->batch().embeds;
    decoding.starts = encoder_->batch().cu_seqlens;
    decoding.columns = encoder_->key_columns();
  }
  model_.decode(packing.batch(), decoding, out);
}

void EngineNextToken::prefill(float* logits) {
  run(prompt_.input, logits);
  encoder_.reset();   // its keys are in the cache
}

void EngineNextToken::step(std::span<const int32_t> tokens, float* logits) {
  PaddedInput input{.batch = int64_t(tokens.size()), .length = 1, .ids = tokens.data()};
  std::vector<int32_t> positions = positions_;
  if (!positions.empty()) input.position_ids = positions.data();
  for (int32_t& position : positions_) position = next_position(position);
  std::vector<uint8_t> mask;
  for (auto& row : masks_) {
    row.push_back(1);
    mask.insert(mask.end(), row.begin(), row.end());
  }
  if (!mask.empty()) input.mask = mask.data();
  run(input, logits);
}

void EngineNextToken::select(const std::vector<int64_t>& rows) {
  cache_.reorder(rows);
  const auto pick = [&](auto& of) {
    if (of.empty()) return;
    auto picked = of;
    picked.clear();
    for (int64_t row : rows) picked.push_back(of[size_t(row)]);
    of = std::move(picked);
  };
  pick(positions_);
  pick(masks_);
}

}  // namespace fastplm
