#include "model/padded.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "model/blocks/embed.h"

namespace fastplm {

template <class T>
static TensorView view_of(std::vector<T>& v, DType dtype, const Shape& shape) {
  return v.empty() ? TensorView{} : TensorView{v.data(), dtype, Device::kCpu, shape};
}

Packing::Packing(const PaddedInput& in, const Spec& spec) : length_(in.length) {
  constexpr int64_t kMost = 1ll << 31;   // cu_seqlens is i32
  if (in.batch * in.length >= kMost) {
    fail(ErrorKind::kValue, "forward: the batch has ", in.batch * in.length, " tokens; expected fewer than ", kMost);
  }
  start_.push_back(0);
  bool holes = false, dropped = false;
  for (int64_t b = 0; b < in.batch; ++b) {
    for (int64_t i = 0; i < in.length; ++i) {
      if (in.mask && !in.mask[b * in.length + i]) {
        dropped = true;
        continue;
      }
      if (int64_t(column_.size()) > start_.back() && column_.back() != i - 1) holes = true;
      column_.push_back(int32_t(i));
    }
    start_.push_back(int32_t(column_.size()));
  }

  const int64_t tokens = start_.back(), width = spec.width;
  const bool positions = in.position_ids || dropped;
  std::vector<int32_t> row_positions(size_t(in.length));
  for (int64_t b = 0; b < in.batch; ++b) {
    const int64_t row = b * in.length;
    if (in.position_ids) {
      std::copy_n(in.position_ids + row, in.length, row_positions.begin());
    } else if (dropped) {
      const auto ids = in.ids ? std::span(in.ids + row, size_t(in.length)) : std::span<const int32_t>();
      count_positions(spec.embed, ids, in.length, row_positions.data());
    }
    for (int64_t t = start_[size_t(b)]; t < start_[size_t(b) + 1]; ++t) {
      const int64_t i = column_[size_t(t)];
      if (in.ids) ids_.push_back(in.ids[row + i]);
      if (in.segment_ids) segment_ids_.push_back(in.segment_ids[row + i]);
      if (in.embeds) embeds_.insert(embeds_.end(), in.embeds + (row + i) * width, in.embeds + (row + i + 1) * width);
      if (positions) position_ids_.push_back(row_positions[size_t(i)]);
      if (in.pair_mask)
        mask_.insert(mask_.end(), in.pair_mask + (row + i) * in.length, in.pair_mask + (row + i + 1) * in.length);
    }
  }
  batch_ = {.cu_seqlens = view_of(start_, DType::kI32, {in.batch + 1}),
            .ids = view_of(ids_, DType::kI32, {tokens}),
            .embeds = view_of(embeds_, DType::kF32, {tokens, width}),
            .segment_ids = view_of(segment_ids_, DType::kI32, {tokens}),
            .position_ids = view_of(position_ids_, DType::kI32, {tokens}),
            .index = holes ? view_of(column_, DType::kI32, {tokens}) : TensorView{},
            .mask = view_of(mask_, DType::kU8, {tokens, in.length})};
}

void Packing::unpack_rows(const float* packed, int64_t width, float* padded) const {
  const int64_t batch = int64_t(start_.size()) - 1;
  std::memset(padded, 0, size_t(batch * length_ * width) * sizeof(float));
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t t = start_[size_t(b)]; t < start_[size_t(b) + 1]; ++t) {
      std::memcpy(padded + (b * length_ + column_[size_t(t)]) * width, packed + t * width,
                  size_t(width) * sizeof(float));
    }
  }
}

int64_t Packing::attention_size(int64_t heads) const {
  int64_t size = 0;
  for (size_t b = 0; b + 1 < start_.size(); ++b) {
    const int64_t length = start_[b + 1] - start_[b];
    size += heads * length * length;
  }
  return size;
}

void Packing::unpack_attention(const float* packed, int64_t heads, float* padded) const {
  const int64_t batch = int64_t(start_.size()) - 1;
  std::memset(padded, 0, size_t(batch * heads * length_ * length_) * sizeof(float));
  for (int64_t b = 0; b < batch; ++b) {
    const int32_t* column = column_.data() + start_[size_t(b)];
    const int64_t length = start_[size_t(b) + 1] - start_[size_t(b)];
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t i = 0; i < length; ++i, packed += length) {
        float* row = padded + ((b * heads + h) * length_ + column[i]) * length_;
        for (int64_t j = 0; j < length; ++j) row[column[j]] = packed[j];
      }
    }
  }
}

void pool_hidden(const Model& model, const PaddedInput& in, float* pooler) {
  const Spec& spec = model.spec();
  for (int64_t b = 0; in.mask && in.length > 0 && b < in.batch; ++b) {
    const int64_t row = b * in.length;
    const uint8_t* mask = in.mask + row;
    if (mask[0]) continue;
    std::vector<uint8_t> pair_mask;
    for (int64_t i = 0; i < in.length; ++i) pair_mask.insert(pair_mask.end(), mask, mask + in.length);
    const auto from = [&](auto* values, int64_t width) { return values ? values + row * width : nullptr; };
    const PaddedInput one{.batch = 1,
                          .length = in.length,
                          .ids = from(in.ids, 1),
                          .embeds = from(in.embeds, spec.width),
                          .pair_mask = pair_mask.data(),
                          .position_ids = from(in.position_ids, 1),
                          .segment_ids = from(in.segment_ids, 1)};
    const Packing packing(one, spec);
    model.forward(packing.batch(), {.pooler = {pooler + b * spec.width, DType::kF32, Device::kCpu, {1, spec.width}}});
  }
}

}  // namespace fastplm
