#include "model/blocks/waves.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "ops/convert.h"
#include "ops/dispatch.h"

namespace fastplm {

static float dot(const float* a, const float* b, int64_t n) {
  float sum = 0.0f;
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

WaveWeights load_waves(Loader& load, const AttentionSpec& attention, int64_t width, int64_t layer) {
  const int64_t heads = attention.heads, head_dim = attention.head_dim, inner = attention.inner();
  const Shape by_head{heads, head_dim};
  Memory aside;
  WaveWeights weights{.key = load.linear({{"attention.wave_key", inner, head_dim}}, layer, width, false),
                      .query_bias = load.blank({3 * inner}),
                      .wave_bias = load.table("attention.wave_bias", by_head, layer),
                      .other = {}};
  const TensorView content = load.table("attention.content_bias", by_head, layer, &aside);
  const TensorView segment = load.table("attention.segment_bias", by_head, layer, &aside);
  const TensorView segments = load.table("attention.segments", {2, heads, head_dim}, layer, &aside);
  if (!content) return weights;
  const float* base = content.as<float>();
  float* query = weights.query_bias.as<float>();
  std::fill(std::copy_n(base, inner, query), query + 3 * inner, 0.0f);
  weights.other.key = load.blank(by_head);
  weights.other.bias = load.blank({heads});
  float *wave = weights.wave_bias.as<float>(), *further = segment.as<float>(), *key = weights.other.key.as<float>();
  for (int64_t i = 0; i < inner; ++i) {
    wave[i] -= base[i];
    further[i] -= base[i];
    key[i] = segments.as<float>()[inner + i] - segments.as<float>()[i];
  }
  for (int64_t h = 0; h < heads; ++h)
    weights.other.bias.as<float>()[h] = dot(further + h * head_dim, key + h * head_dim, head_dim);
  return weights;
}

// [2 reach - 1, width]: of each distance by which a query is behind a key, farthest ahead first, the sines and then the
// cosines, in the f32 arithmetic of relative_positional_encoding of transformers' modeling_xlnet.py.
static void fill_waves(int64_t reach, int64_t width, float* rows) {
  const int64_t half = width / 2;
  for (int64_t i = 0; i < half; ++i) {
    const float step = 1.0f / std::pow(10000.0f, float(2 * i) / float(width));
    for (int64_t p = 0; p < 2 * reach - 1; ++p) {
      const float angle = float(reach - 1 - p) * step;
      rows[p * width + i] = std::sin(angle);
      rows[p * width + half + i] = std::cos(angle);
    }
  }
}

DType WaveTable::dtype() const { return ops::activation_of(layers_[0].key.weight.format); }

int64_t WaveTable::packed_bytes(int64_t reach) const {
  return ops::packed_bytes(format_of(dtype()), 2 * reach - 1, head_dim_);
}

int64_t WaveTable::layer_bytes(int64_t reach) const {
  return Arena::padded<std::byte>(heads_ * packed_bytes(reach) + heads_ * (2 * reach - 1) * 4);
}

std::shared_ptr<const WaveTable::View> WaveTable::make(int64_t reach) const {
  const int64_t count = 2 * reach - 1, inner = heads_ * head_dim_;
  const DType dtype = this->dtype();
  const int64_t packed = packed_bytes(reach), keys_bytes = heads_ * packed, bytes = layer_bytes(reach);

  Buffer waves(count * width_ * 4), narrow, projected(count * inner * 4);
  TensorView x{waves.data(), DType::kF32, Device::kCpu, {count, width_}};
  fill_waves(reach, width_, x.as<float>());
  if (dtype != DType::kF32) {
    narrow = Buffer(count * width_ * size_of(dtype));
    const TensorView h{narrow.data(), dtype, Device::kCpu, x.shape};
    ops::convert(x, h);
    x = h;
  }
  const TensorView y{projected.data(), DType::kF32, Device::kCpu, {count, inner}};

  auto view = std::make_shared<View>(View{Buffer(int64_t(layers_.size()) * bytes), reach, {}});
  for (const WaveWeights& layer : layers_) {
    std::byte* to = view->memory.data() + std::ssize(view->layers) * bytes;
    float* bias = reinterpret_cast<float*>(to + keys_bytes);
    ops::linear(x, layer.key.weight, {}, Act::kNone, {}, y);
    for (int64_t h = 0; h < heads_; ++h) {
      std::vector<const void*> rows;
      for (int64_t p = 0; p < count; ++p) {
        const float* row = y.as<float>() + p * inner + h * head_dim_;
        rows.push_back(row);
        bias[h * count + p] = dot(row, layer.wave_bias.as<float>() + h * head_dim_, head_dim_);
      }
      ops::pack_rows(rows, DType::kF32, {to + h * packed, format_of(dtype), count, head_dim_});
    }
    view->layers.push_back({.count = count,
                            .keys = to,
                            .queries = {},
                            .bias = {bias, DType::kF32, Device::kCpu, {heads_, count}},
                            .place = {},
                            .mirrored = {},
                            .backward = {}});
  }
  return view;
}

std::shared_ptr<const WaveTable::View> WaveTable::of(int64_t reach) const {
  if (furthest_ > 0) reach = std::min(reach, furthest_ + 1);
  if (reach > kReach) {
    fail(ErrorKind::kValue, "forward: a sequence spans a distance of ", reach - 1, " tokens; this model takes at most ",
         kReach - 1);
  }
  std::lock_guard lock(lock_);
  if (view_ && view_->reach >= reach) return view_;
  constexpr int64_t kKeptBytes = 256 << 20;   // what is larger goes with the call that needs it
  int64_t more = std::max<int64_t>(64, reach + reach / 4);
  if (furthest_ > 0) more = std::min(more, furthest_ + 1);
  more = std::min(more, kReach);
  const auto is_kept = [&] { return int64_t(layers_.size()) * layer_bytes(more) <= kKeptBytes; };
  if (!is_kept()) more = reach;
  const auto view = make(more);
  if (is_kept()) view_ = view;
  return view;
}

void place_waves(const WaveTable::View& table, TensorView place, TensorView mirrored) {
  const int64_t width = place.shape[0], reach = (width + 1) / 2, last = table.reach - 1;
  for (int64_t i = 0; i < width; ++i) {
    const int64_t row = std::clamp(i - (reach - 1), -last, last) + last;
    place.as<int32_t>()[i] = int32_t(row);
    if (mirrored) mirrored.as<int32_t>()[width - 1 - i] = int32_t(row);
  }
}

}  // namespace fastplm
