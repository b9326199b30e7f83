#include "model/blocks/space.h"

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

template <class Is>
bool any_branch(const StackSpec& spec, const Is& is) {
  for (const LayerSpec& layer : spec.kinds) {
    for (const Sublayer& sublayer : layer) {
      if (std::ranges::any_of(sublayer.branches, is)) return true;
    }
  }
  return false;
}

void request(Requests& take, Space& a, const StackSpec& spec, DType dtype, const Space::Size& size) {
  const int64_t tokens = size.tokens;
  int64_t inner = 0, qkv = 0, share = 0, biased = 0, up = 0, gated = 0, unfolded = 0;
  bool placed = false, mirrored = false;
  for_each<AttentionSpec>(spec, [&](const AttentionSpec& attention) {
    inner = std::max(inner, attention.inner());
    qkv = std::max(qkv, attention.inner() + 2 * attention.kv_inner());
    const auto* relative = std::get_if<RelativeKeys>(&attention.score);
    const auto* waves = std::get_if<RelativeWaves>(&attention.score);
    placed |= relative || waves;
    mirrored |= waves && waves->halves;
    const int64_t positions = relative ? relative->count : waves ? size.waves : 0;
    share = std::max(share, ops::attention_workspace(dtype, attention.head_dim, size.longest, positions));
    if (std::holds_alternative<Buckets>(attention.score)) biased = std::max(biased, attention.heads);
  });
  for_each<MlpSpec>(spec, [&](const MlpSpec& mlp) {
    up = std::max(up, mlp.gated ? 2 * mlp.width : mlp.width);
    if (mlp.gated) gated = std::max(gated, mlp.width);
  });
  for_each<ConvSpec>(spec, [&](const ConvSpec& conv) { unfolded = std::max(unfolded, conv.length * spec.width); });
  take(a.x, DType::kF32, {tokens, spec.width});
  if (spec.embed.project != EmbedSpec::Project::kNone) {
    take(a.embedded, DType::kF32, {tokens, spec.embed_width()});
    if (dtype == DType::kF32)
      a.embedded_h = a.embedded;
    else
      take(a.embedded_h, dtype, {tokens, spec.embed_width()});
  }
  if (dtype == DType::kF32 && !any_branch(spec, [](const Branch& branch) { return branch.before.has_value(); }))
    a.h = a.x;
  else
    take(a.h, dtype, {tokens, spec.width});
  if (any_branch(spec, [](const Branch& branch) { return !branch.adds_itself(); }))
    take(a.delta, DType::kF32, {tokens, spec.width});
  if (spec.projected)
    take(a.last, DType::kF32, {tokens, spec.projected});
  else
    a.last = a.x;
  take(a.qkv, dtype, {tokens, qkv});
  take(a.context, dtype, {tokens, inner});
  take(a.up, dtype, {size.mlp_rows, up});
  if (gated) take(a.gated, dtype, {size.mlp_rows, gated});
  take(a.position_ids, DType::kI32, {tokens});
  if (unfolded) take(a.unfolded, dtype, {tokens, unfolded});
  if (placed) take(a.place, DType::kI32, {2 * size.reach - 1});
  if (mirrored) take(a.mirrored, DType::kI32, {2 * size.reach - 1});
  if (biased) take(a.distance_bias, DType::kF32, {biased, 2 * size.reach - 1});
  take(a.attention_workspace, DType::kU8, {size.threads * share});
  if (size.head_rows == 0) return;
  take(a.rows, DType::kF32, {size.head_rows, size.head_width});
  take(a.next, DType::kF32, {size.head_rows, size.head_width});
  if (dtype != DType::kF32) take(a.narrow, dtype, {size.head_rows, size.head_width});
}

}  // namespace

int64_t Space::bytes(const StackSpec& spec, DType dtype, const Size& size) {
  Requests count{nullptr};
  Space nothing;
  request(count, nothing, spec, dtype, size);
  return count.total;
}

Space Space::take(Arena& arena, const StackSpec& spec, DType dtype, const Size& size) {
  Requests from{&arena};
  Space a;
  request(from, a, spec, dtype, size);
  return a;
}

}  // namespace fastplm
