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

void EngineNextToken::run(const PaddedInput& input, float* logits, bool last_rows) {
  const Packing packing(input, *model_.spec().decoder, &cache_);
  Outputs out{.last_rows = last_rows};
  out.heads.resize(model_.heads().size());
  const int64_t rows = last_rows ? input.batch : input.batch * input.length;
  out.heads[head_] = {logits, DType::kF32, Device::kCpu, {rows, vocab()}};
  Model::Decoding decoding{.cache = &cache_, .states = {}, .starts = {}, .columns = {}, .past = packing.past()};
  if (encoder_) {
    decoding.states = encoder_->batch().embeds;
    decoding.starts = encoder_->batch().cu_seqlens;
    decoding.columns = encoder_->key_columns();
  }
  model_.decode(packing.batch(), decoding, out);
}

void EngineNextToken::prefill(float* logits) {
  run(prompt_.input, logits, true);
  encoder_.reset();   // its keys are in the cache
}

void EngineNextToken::step(std::span<const int32_t> tokens, float* logits) {
  grow(tokens, int64_t(tokens.size()), logits, true);
}

void EngineNextToken::extend(std::span<const int32_t> tokens, float* logits) { grow(tokens, 1, logits, false); }

void EngineNextToken::feed(std::span<const int32_t> tokens, float* logits) { grow(tokens, 1, logits, true); }

// The next tokens of each row, as many for each.
void EngineNextToken::grow(std::span<const int32_t> tokens, int64_t rows, float* logits, bool last_rows) {
  PaddedInput input{.batch = rows, .length = int64_t(tokens.size()) / rows, .ids = tokens.data()};
  std::vector<int32_t> positions;
  for (int32_t& position : positions_) {
    for (int64_t i = 0; i < input.length; ++i) {
      positions.push_back(position);
      position = next_position(position);
    }
  }
  if (!positions.empty()) input.position_ids = positions.data();
  std::vector<uint8_t> mask;
  for (auto& row : masks_) {
    row.insert(row.end(), size_t(input.length), 1);
    mask.insert(mask.end(), row.begin(), row.end());
  }
  if (!mask.empty()) input.mask = mask.data();
  run(input, logits, last_rows);
}

void EngineNextToken::forget(int64_t count) {
  cache_.crop(cache_.columns - count);
  for (int32_t& position : positions_) position -= int32_t(count);
  for (auto& row : masks_) row.resize(row.size() - size_t(count));
}

int64_t EngineNextToken::room() const {
  const int64_t limit = model_.spec().decoder->max_length;
  if (limit == 0) return std::numeric_limits<int32_t>::max();   // positions are int32
  int64_t used = cache_.columns;
  for (int32_t position : positions_) used = std::max<int64_t>(used, position);
  return std::max<int64_t>(0, limit - used);
}

int64_t EngineNextToken::at_once(int64_t count) const {
  const StackSpec& spec = *model_.spec().decoder;
  const int64_t used = positions_.empty() ? cache_.columns : positions_[0];
  while (count > 1 && rotation_of(spec, used + count) != rotation_of(spec, used + 1)) --count;
  return count;
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
