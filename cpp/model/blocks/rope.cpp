#include "model/blocks/rope.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ops/rope.h"

namespace fastplm {

RopeTable::View RopeTable::of(int64_t positions) const {
  std::lock_guard lock(lock_);
  const int64_t have = view_.table.shape.rank ? view_.table.shape[0] : 0;
  if (have >= positions) return view_;
  const int64_t count = std::max<int64_t>({positions, 2 * have, 512}), dims = 2 * int64_t(rope_.frequencies.size());
  auto memory = std::make_shared<Buffer>(count * dims * 4);
  view_ = {memory, {memory->data(), DType::kF32, Device::kCpu, {count, dims}}};
  ops::rope_table(rope_.frequencies, rope_.factor, 0, view_.table);
  return view_;
}

// In f32, as transformers computes them from the length.
static std::vector<float> longer_frequencies(const Rope& rope, int64_t positions) {
  const Rope::Longer& longer = *rope.longer;
  if (!longer.frequencies.empty()) return longer.frequencies;
  const size_t count = rope.frequencies.size();
  const float dims = float(2 * count), factor = float(longer.factor);
  const float stretch = factor * float(positions) / float(longer.past) - (factor - 1.0f);
  const float base = float(longer.theta) * std::pow(stretch, dims / (dims - 2.0f));
  std::vector<float> frequencies;
  for (size_t i = 0; i < count; ++i) frequencies.push_back(1.0f / std::pow(base, float(2 * i) / dims));
  return frequencies;
}

BatchRopes::BatchRopes(const Batch& batch, TensorView position_ids, const int64_t* lengths)
    : batch_(batch), position_ids_(position_ids), lengths_(lengths), own_rows_(size_t(batch.tokens())) {
  for (int64_t s = 0; s < batch.sequences(); ++s) positions_ = std::max(positions_, positions_of(s));
  std::iota(own_rows_.begin(), own_rows_.end(), 0);
}

int64_t BatchRopes::positions_of(int64_t sequence) const {
  const int32_t* start = batch_.cu_seqlens.as<int32_t>();
  const int32_t* ids = position_ids_.as<int32_t>();
  if (start[sequence] == start[sequence + 1]) return 0;
  const int64_t own = 1 + *std::max_element(ids + start[sequence], ids + start[sequence + 1]);
  return lengths_ ? std::max(own, lengths_[sequence]) : own;
}

BatchRopes::View BatchRopes::of(const RopeTable& table) {
  const auto& longer = table.rope().longer;
  if (!longer || positions_ <= longer->past) {
    RopeTable::View& view = shared_[&table];
    if (!view.memory) view = table.of(positions_);
    return {view.table, position_ids_};
  }
  const int64_t tokens = batch_.tokens(), dims = 2 * int64_t(table.rope().frequencies.size());
  Buffer& memory = own_[&table];
  if (!memory.data()) by_sequence(table.rope(), memory = Buffer(tokens * dims * 4));
  return {{memory.data(), DType::kF32, Device::kCpu, {tokens, dims}},
          {own_rows_.data(), DType::kI32, Device::kCpu, {tokens}}};
}

void BatchRopes::by_sequence(const Rope& rope, Buffer& memory) const {
  const int32_t* start = batch_.cu_seqlens.as<int32_t>();
  const int64_t dims = 2 * int64_t(rope.frequencies.size());
  for (int64_t s = 0; s < batch_.sequences(); ++s) {
    const int64_t positions = positions_of(s);
    const bool longer = positions > rope.longer->past;
    const std::vector<float> frequencies = longer ? longer_frequencies(rope, positions) : rope.frequencies;
    for (int64_t t = start[s]; t < start[s + 1]; ++t) {
      const TensorView row{memory.as<float>() + t * dims, DType::kF32, Device::kCpu, {1, dims}};
      ops::rope_table(frequencies, rope.factor, position_ids_.as<int32_t>()[t], row);
    }
  }
}

}  // namespace fastplm
