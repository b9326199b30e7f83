#include "ops/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/buffer.h"
#include "core/parallel.h"
#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/cu_seqlens.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

int64_t attention_workspace(DType dtype, int64_t head_dim, int64_t longest) {
  int64_t bytes = 0;
  with_float_type("attention", dtype,
                  [&]<class T>() { bytes = kernels().of<T>().attention_workspace(head_dim, longest); });
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

static int64_t longest_of(const int32_t* start, int64_t sequences) {
  int64_t longest = 0;
  for (int64_t s = 0; s < sequences; ++s) longest = std::max<int64_t>(longest, start[s + 1] - start[s]);
  return longest;
}

// Every distance within a sequence must have its place in distance_bias.
static void check_reach(const AttentionOptions& o, const int32_t* start, int64_t sequences, int64_t reach) {
  const int32_t* index = o.index.as<int32_t>();
  for (int64_t s = 0; s < sequences; ++s) {
    if (start[s] == start[s + 1]) continue;
    const int64_t first = start[s], last = start[s + 1] - 1;
    const int64_t distance = index ? int64_t(index[last]) - index[first] : last - first;
    if (distance < reach) continue;
    fail(ErrorKind::kValue, "attention: sequence ", s, " spans a distance of ", distance, "; distance_bias reaches ",
         reach - 1);
  }
}

void attention(TensorView qkv, TensorView cu_seqlens, const AttentionOptions& o, TensorView out, TensorView weights,
               TensorView workspace) {
  const Check check{"attention"};
  check.rank("qkv", qkv, 2);
  const int64_t tokens = qkv.shape[0], inner = o.heads * o.head_dim;
  const int64_t sequences = check_cu_seqlens("attention", cu_seqlens, tokens);
  const int32_t* start = cu_seqlens.as<int32_t>();
  const int64_t longest = longest_of(start, sequences), share = attention_workspace(qkv.dtype, o.head_dim, longest);
  check.shape("qkv", qkv, {tokens, 3 * inner});
  check.matches("out", out, qkv.dtype, {tokens, inner});
  check.optional("index", o.index, DType::kI32, {tokens});
  check.optional("mask", o.mask, DType::kU8, {tokens, longest});
  check.positive("scale", o.scale);
  if (tokens == 0) return;
  if (workspace.shape.count() < share) {
    fail(ErrorKind::kValue, "attention: workspace has ", workspace.shape.count(), " bytes; expected ", share,
         " or more");
  }
  const int64_t reach = o.distance_bias ? (o.distance_bias.shape[1] + 1) / 2 : 0;
  if (o.distance_bias) {
    check.matches("distance_bias", o.distance_bias, DType::kF32, {o.heads, 2 * reach - 1});
    check_reach(o, start, sequences, reach);
  }

  with_float_type("attention", qkv.dtype, [&]<class T>() {
    const auto run = [&](int64_t sequence, int64_t head, float* sequence_weights, std::byte* memory) {
      const int64_t first = start[sequence], length = start[sequence + 1] - first;
      const T* q = qkv.as<T>() + first * 3 * inner + head * o.head_dim;
      kernels().of<T>().attention(
          {.q = q,
           .k = q + inner,
           .v = q + 2 * inner,
           .ld = 3 * inner,
           .length = length,
           .head_dim = o.head_dim,
           .scale = float(o.scale),
           .window = o.window,
           .distance_bias =
               o.distance_bias ? o.distance_bias.as<float>() + head * (2 * reach - 1) + reach - 1 : nullptr,
           .index = o.index ? o.index.as<int32_t>() + first : nullptr,
           .mask = o.mask ? o.mask.as<uint8_t>() + first * longest : nullptr,
           .mask_ld = longest,
           .out = out.as<T>() + first * inner + head * o.head_dim,
           .ldo = inner,
           .weights = sequence_weights ? sequence_weights + head * length * length : nullptr,
           .weights_ld = length,
           .workspace = memory});
    };
    // Each thread at work takes one share of the workspace, and then one (sequence, head) after another.
    std::atomic<int64_t> next{0};
    const int64_t units = sequences * o.heads;
    const int64_t shares = std::min({workspace.shape.count() / share, int64_t(num_threads()), units});
    parallel_for(shares, 1, [&](int64_t begin, int64_t) {
      Stops stops;
      for (int64_t unit; (unit = next.fetch_add(1, std::memory_order_relaxed)) < units;) {
        const int64_t sequence = unit / o.heads;
        float* sequence_weights = weights.as<float>();
        if (sequence_weights) {
          for (int64_t s = 0; s < sequence; ++s) {
            const int64_t length = start[s + 1] - start[s];
            sequence_weights += o.heads * length * length;
          }
        }
        const int64_t length = start[sequence + 1] - start[sequence];
        stops.before(2 * length * length * o.head_dim);
        if (length > 0) run(sequence, unit % o.heads, sequence_weights, workspace.as<std::byte>() + begin * share);
      }
    });
  });
}

void bucket_bias(TensorView table, int64_t max_distance, TensorView distance_bias) {
  const Check check{"bucket_bias"};
  check.rank("table", table, 2);
  const int64_t buckets = table.shape[0] / 2, heads = table.shape[1], exact = buckets / 2;   // of one direction
  const int64_t width = distance_bias.shape[1], reach = (width + 1) / 2;
  check.matches("distance_bias", distance_bias, DType::kF32, {heads, width});
  const float log_range = float(std::log(double(max_distance) / double(exact)));
  for (int64_t distance = 0; distance < reach; ++distance) {
    int64_t bucket = distance;
    if (distance >= exact) {
      const float place = std::log(float(distance) / float(exact)) / log_range * float(buckets - exact);
      bucket = std::min(exact + int64_t(place), buckets - 1);
    }
    for (int64_t h = 0; h < heads; ++h) {
      float* row = distance_bias.as<float>() + h * width + reach - 1;
      row[-distance] = table.as<float>()[bucket * heads + h];
      row[distance] = table.as<float>()[(bucket + (distance > 0 ? buckets : 0)) * heads + h];
    }
  }
}

}  // namespace fastplm::ops
