#include "model/blocks/activations.h"

#include <algorithm>

#include "ops/attention.h"

namespace fastplm {
namespace {

// Runs the same list of requests twice: to add up their bytes, and to take them.
struct Requests {
  Arena* arena;
  int64_t total = 0;

  void operator()(TensorView& view, DType dtype, const Shape& shape) {
    const int64_t bytes = shape.count() * size_of(dtype);
    total += Arena::padded<std::byte>(bytes);
    if (arena) view = {arena->take<std::byte>(bytes), dtype, Device::kCpu, shape};
  }
};

void request(Requests& take, Activations& a, const Spec& spec, DType dtype, const Activations::Size& size) {
  const int64_t tokens = size.tokens, longest = size.longest;
  int64_t inner = 0, share = 0, heads = 0;
  bool buckets = false;
  for (const AttentionSpec& attention : spec.attention) {
    inner = std::max(inner, attention.heads * attention.head_dim);
    heads = std::max(heads, attention.heads);
    share = std::max(share, ops::attention_workspace(dtype, attention.head_dim, longest));
    buckets |= std::holds_alternative<BucketBias>(attention.score);
  }
  take(a.x, DType::kF32, {tokens, spec.width});
  if (dtype == DType::kF32 && spec.norm.place == NormPlace::kPost)
    a.h = a.x;
  else
    take(a.h, dtype, {tokens, spec.width});
  take(a.qkv, dtype, {tokens, 3 * inner});
  take(a.context, dtype, {tokens, inner});
  take(a.up, dtype, {size.mlp_rows, spec.mlp.gated ? 2 * spec.mlp.width : spec.mlp.width});
  if (spec.mlp.gated) take(a.gated, dtype, {size.mlp_rows, spec.mlp.width});
  take(a.position_ids, DType::kI32, {tokens});
  if (buckets) take(a.distance_bias, DType::kF32, {heads, 2 * size.reach - 1});
  take(a.first, dtype, {size.sequences, spec.width});
  take(a.attention_workspace, DType::kU8, {size.threads * share});
}

}  // namespace

int64_t Activations::bytes(const Spec& spec, DType dtype, const Size& size) {
  Requests count{nullptr};
  Activations nothing;
  request(count, nothing, spec, dtype, size);
  return count.total;
}

Activations Activations::take(Arena& arena, const Spec& spec, DType dtype, const Size& size) {
  Requests from{&arena};
  Activations a;
  request(from, a, spec, dtype, size);
  return a;
}

}  // namespace fastplm
