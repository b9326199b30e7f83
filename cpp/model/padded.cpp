#include "model/padded.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "model/blocks/embed.h"

namespace fastplm {

template <class T>
static TensorView view_of(std::vector<T>& v, DType dtype, const Shape& shape) {
  return v.empty() ? TensorView{} : TensorView{v.data(), dtype, Device::kCpu, shape};
}

// Does any token of the row attend to column c of `columns`?
static bool seen_by_any(const PaddedInput& in, int64_t columns, int64_t b, int64_t c) {
  for (int64_t i = 0; i < in.length; ++i) {
    if (in.pair_mask[(b * in.length + i) * columns + c]) return true;
  }
  return false;
}

Packing::Packing(const PaddedInput& in, const StackSpec& spec, Cache* cache) : length_(in.length) {
  constexpr int64_t kMaxTokens = 1ll << 31;   // cu_seqlens is i32
  const int64_t past = cache ? cache->columns : in.remembered;
  columns_ = past + in.length;
  if (in.batch * columns_ >= kMaxTokens) {
    fail(ErrorKind::kValue, "forward: the batch has ", in.batch * columns_, " tokens; expected fewer than ",
         kMaxTokens);
  }
  if (cache && past == 0) {   // it may have rows of an earlier call without tokens
    cache->crop(0);
    cache->own.resize(in.batch);
  }
  if (cache && cache->own.sequences() != in.batch) {
    fail(ErrorKind::kValue, "forward: ", in.batch, " rows; the cache has ", cache->own.sequences());
  }
  start_.push_back(0);
  bool holes = false, dropped = false, hidden = false;   // hidden: cached tokens that the mask hides now
  for (int64_t b = 0; b < in.batch; ++b) {
    std::vector<int32_t> fresh;
    for (int64_t i = 0; i < in.length; ++i) {
      if (in.mask && !in.mask[b * columns_ + past + i]) {
        dropped = true;
        continue;
      }
      fresh.push_back(int32_t(past + i));
      column_.push_back(int32_t(i));
    }
    start_.push_back(int32_t(column_.size()));
    std::vector<int32_t> keys;
    for (int32_t c = 0; c < in.remembered; ++c) keys.push_back(c);
    keys.insert(keys.end(), fresh.begin(), fresh.end());
    if (cache) {
      keys = cache->own.columns(b);
      for (int64_t c = 0, k = 0; in.mask && c < past; ++c) {
        const bool cached = k < int64_t(keys.size()) && keys[size_t(k)] == c, shown = in.mask[b * columns_ + c];
        k += cached;
        hidden |= cached && !shown;
        if (shown && !cached) {
          fail(ErrorKind::kValue, "forward: attention_mask shows column ", c, " of row ", b,
               "; it was hidden when the cache was filled");
        }
      }
      keys.insert(keys.end(), fresh.begin(), fresh.end());
      past_.push_back(past);
    }
    for (size_t k = 1; k < keys.size(); ++k) holes |= keys[k] != keys[k - 1] + 1;
    key_columns_.push_back(std::move(keys));
  }

  const int64_t tokens = start_.back(), width = spec.embed_width();
  const LearnedPositions learned = spec.embed.positions.value_or(LearnedPositions{.count = 0});
  const bool counted = learned.of_shown && in.mask && !in.position_ids;
  const bool positions = in.position_ids || dropped || counted, masked = in.pair_mask || hidden;
  size_t longest = 0;
  for (const auto& keys : key_columns_) longest = std::max(longest, keys.size());
  std::vector<int32_t> row_positions(size_t(in.length));
  for (int64_t b = 0; b < in.batch; ++b) {
    const int64_t row = b * in.length;
    const auto& keys = key_columns_[size_t(b)];
    if (in.position_ids) {
      std::copy_n(in.position_ids + row, in.length, row_positions.begin());
      if (learned.of_shown) {
        for (int32_t& position : row_positions) position += int32_t(learned.first);
      }
    } else if (counted) {
      const uint8_t* shown = in.mask + b * columns_;
      int64_t next = learned.first + std::count_if(shown, shown + past, [](uint8_t s) { return s != 0; });
      for (int64_t i = 0; i < in.length; ++i) row_positions[size_t(i)] = int32_t(shown[past + i] ? next++ : 0);
    } else if (dropped) {
      const auto ids = in.ids ? std::span(in.ids + row, size_t(in.length)) : std::span<const int32_t>();
      count_positions(spec.embed, ids, in.length, past, row_positions.data());
    }
    if (holes) index_.insert(index_.end(), keys.begin(), keys.end());
    if (in.segment_ids && in.remembered) {   // what is remembered is of segment 0
      for (int32_t c : keys) key_segments_.push_back(c < past ? 0 : in.segment_ids[row + c - past]);
    }
    if (in.gather && in.targets == 0) {   // of what is left of the row; a hidden column: the last one before it
      const auto begin = column_.begin() + start_[size_t(b)], end = column_.begin() + start_[size_t(b) + 1];
      gather_.push_back(std::max(0, int32_t(std::upper_bound(begin, end, in.gather[b]) - begin) - 1));
    }
    for (int64_t t = start_[size_t(b)]; t < start_[size_t(b) + 1]; ++t) {
      const int64_t i = column_[size_t(t)];
      if (in.ids) ids_.push_back(in.ids[row + i]);
      if (in.segment_ids) segment_ids_.push_back(in.segment_ids[row + i]);
      if (in.language_ids) language_ids_.push_back(in.language_ids[row + i]);
      if (in.embeds) embeds_.insert(embeds_.end(), in.embeds + (row + i) * width, in.embeds + (row + i + 1) * width);
      if (positions) position_ids_.push_back(row_positions[size_t(i)]);
      const bool unseen = spec.hidden != Hidden::kToken && in.pair_mask && !seen_by_any(in, columns_, b, past + i);
      if (spec.hidden != Hidden::kToken && in.pair_mask) hidden_.push_back(unseen);
      if (!masked) continue;
      const size_t at = mask_.size();
      mask_.resize(at + longest, 0);
      for (size_t k = 0; k < keys.size(); ++k) {
        bool pair = !in.pair_mask || in.pair_mask[(row + i) * columns_ + keys[k]];
        if (unseen && spec.hidden == Hidden::kBlind) pair = false;
        mask_[at + k] = pair && (!in.mask || in.mask[b * columns_ + keys[k]]);
      }
    }
  }
  if (in.backward) backward_.assign(in.backward, in.backward + in.batch);
  if (in.target_columns) add_targets(in, longest);
  if (cache) {
    for (int64_t b = 0; b < in.batch; ++b) {
      const auto& keys = key_columns_[size_t(b)];
      cache->own.extend(b, {keys.begin() + cache->own.length(b), keys.end()});
    }
    if (in.batch > 0) cache->columns = columns_;
  }
  batch_ = {.cu_seqlens = view_of(start_, DType::kI32, {in.batch + 1}),
            .ids = view_of(ids_, DType::kI32, {tokens}),
            .embeds = view_of(embeds_, DType::kF32, {tokens, width}),
            .segment_ids = view_of(segment_ids_, DType::kI32, {tokens}),
            .language_ids = view_of(language_ids_, DType::kI32, {tokens}),
            .hidden = view_of(hidden_, DType::kU8, {tokens}),
            .position_ids = view_of(position_ids_, DType::kI32, {tokens}),
            .index = view_of(index_, DType::kI32, {int64_t(index_.size())}),
            .mask = view_of(mask_, DType::kU8, {tokens, int64_t(longest)}),
            .gather = view_of(gather_, DType::kI32, {in.batch}),
            .key_segments = view_of(key_segments_, DType::kI32, {int64_t(key_segments_.size())}),
            .backward = view_of(backward_, DType::kU8, {in.batch}),
            .remembered = in.remembered,
            .targets = {.cu_seqlens = view_of(target_starts_, DType::kI32, {in.batch + 1}),
                        .at = view_of(target_at_, DType::kI32, {int64_t(target_at_.size())}),
                        .segment_ids = view_of(target_segments_, DType::kI32, {int64_t(target_at_.size())}),
                        .mask = view_of(target_mask_, DType::kU8, {int64_t(target_at_.size()), int64_t(longest)})}};
}

void Packing::add_targets(const PaddedInput& in, size_t longest) {
  targets_ = in.targets;
  target_starts_.push_back(0);
  for (int64_t b = 0; b < in.batch; ++b) {
    const int64_t row = b * in.targets;
    const int32_t* columns = in.target_columns + row;
    const auto& keys = key_columns_[size_t(b)];
    const int32_t first = index_.empty() && !keys.empty() ? keys[0] : 0;   // keys without an index count from 0
    std::vector<int32_t> order(size_t(in.targets));
    std::iota(order.begin(), order.end(), 0);
    std::ranges::sort(order, {}, [&](int32_t i) { return columns[i]; });
    for (int32_t place = 0; place < in.targets; ++place) {
      const int32_t i = order[size_t(place)];
      target_at_.push_back(int32_t(in.remembered) + columns[i] - first);
      if (in.segment_ids) target_segments_.push_back(in.segment_ids[b * in.length + columns[i]]);
      if (in.gather && in.gather[b] == i) gather_.push_back(place);
      if (!in.target_mask) continue;
      const size_t at = target_mask_.size();
      target_mask_.resize(at + longest, 0);
      for (size_t k = 0; k < keys.size(); ++k) target_mask_[at + k] = in.target_mask[(row + i) * columns_ + keys[k]];
    }
    target_starts_.push_back(int32_t(target_at_.size()));
    target_order_.insert(target_order_.end(), order.begin(), order.end());
  }
}

void Packing::unpack_targets(const float* packed, int64_t width, float* padded) const {
  for (size_t t = 0; t < target_order_.size(); ++t) {
    const int64_t row = int64_t(t) / targets_ * targets_ + target_order_[t];
    std::memcpy(padded + row * width, packed + int64_t(t) * width, size_t(width) * sizeof(float));
  }
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

int64_t Packing::attention_size(int64_t heads, const Packing* encoder) const {
  int64_t size = 0;
  for (size_t b = 0; b + 1 < start_.size(); ++b) {
    const auto& keys = (encoder ? encoder : this)->key_columns_[b];
    size += heads * (start_[b + 1] - start_[b]) * int64_t(keys.size());
  }
  return size;
}

void Packing::unpack_attention(const float* packed, int64_t heads, float* padded, const Packing* encoder) const {
  const int64_t batch = int64_t(start_.size()) - 1, columns = (encoder ? encoder : this)->columns_;
  std::memset(padded, 0, size_t(batch * heads * length_ * columns) * sizeof(float));
  for (int64_t b = 0; b < batch; ++b) {
    const auto& keys = (encoder ? encoder : this)->key_columns_[size_t(b)];
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t t = start_[size_t(b)]; t < start_[size_t(b) + 1]; ++t, packed += keys.size()) {
        float* row = padded + ((b * heads + h) * length_ + column_[size_t(t)]) * columns;
        for (size_t j = 0; j < keys.size(); ++j) row[keys[j]] = packed[j];
      }
    }
  }
}

void pool_hidden(const Model& model, const PaddedInput& in, const std::vector<TensorView>& out) {
  bool any = false;
  for (size_t i = 0; i < out.size(); ++i) any |= out[i] && model.heads()[i].spec.first_row();
  if (!any) return;
  const StackSpec& spec = *model.spec().encoder;
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
                          .embeds = from(in.embeds, spec.embed_width()),
                          .pair_mask = pair_mask.data(),
                          .position_ids = from(in.position_ids, 1),
                          .segment_ids = from(in.segment_ids, 1),
                          .language_ids = from(in.language_ids, 1)};
    const Packing packing(one, spec);
    Outputs results;
    for (size_t i = 0; i < out.size(); ++i) {
      const bool wanted = out[i] && model.heads()[i].spec.first_row();
      results.heads.push_back(wanted ? slice(out[i], b, b + 1) : TensorView{});
    }
    model.encode(packing.batch(), results);
  }
}

}  // namespace fastplm
