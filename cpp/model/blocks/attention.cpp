#include "model/blocks/attention.h"

#include <algorithm>

#include "ops/attention.h"
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

AttentionWeights load_attention(Loader& load, const AttentionSpec& spec, int64_t width, int64_t encoder_width,
                                int64_t layer) {
  const bool cross = spec.keys == Source::kEncoder;
  const std::string name = cross ? "cross" : "attention";
  const int64_t inner = spec.inner(), kv = spec.kv_inner();
  AttentionWeights weights;
  if (cross) {
    weights.in = load.linear({{name + ".query", inner}}, layer, width, spec.qkv_bias);
    weights.keys = load.linear({{name + ".key", kv}, {name + ".value", kv}}, layer, encoder_width, spec.qkv_bias);
  } else if (load.has(name + ".qkv", layer)) {
    weights.in = load.linear({{name + ".qkv", inner + 2 * kv}}, layer, width, spec.qkv_bias);
  } else {
    weights.in = load.linear({{name + ".query", inner}, {name + ".key", kv}, {name + ".value", kv}}, layer, width,
                             spec.qkv_bias);
  }
  weights.out = load.linear({{name + ".out", width}}, layer, inner, spec.out_bias);
  return weights;
}

// a.qkv and a.context as this layer needs them: they may be wider for another.
static TensorView of_width(TensorView space, int64_t width) {
  space.shape = {space.shape[0], width};
  return space;
}

void enter_attention(const AttentionWeights& weights, Space& a, int64_t begin, int64_t end) {
  const TensorView qkv = of_width(a.qkv, weights.in.weight.n);
  ops::linear(slice(a.h, begin, end), weights.in.weight, weights.in.bias, Act::kNone, {}, slice(qkv, begin, end));
}

void attend(const AttentionSpec& spec, const Batch& batch, const Sequences& queries, const KeyView& keys, int64_t layer,
            TensorView rope, Space& a, float* weights_out) {
  const bool cross = spec.keys == Source::kEncoder;
  const int64_t inner = spec.inner(), kv = spec.kv_inner(), width = cross ? inner : inner + 2 * kv;
  const TensorView qkv = of_width(a.qkv, width), context = of_width(a.context, inner);
  if (rope) ops::rope(qkv, spec.heads + spec.kv_heads, spec.head_dim, rope, a.position_ids);
  std::byte* rows = qkv.as<std::byte>();
  const int64_t size = size_of(qkv.dtype);
  const ops::Rows k{rows + inner * size, width}, v{rows + (inner + kv) * size, width};
  ops::PagedKeys pages;
  if (keys.store) {
    if (!cross) keys.store->write(layer, keys.first, queries, k.data, v.data, width);
    pages = keys.store->keys(layer, keys.first);
  }
  const int64_t window = spec.see.window < 0 ? kFar : spec.see.window;
  const ops::AttentionOptions options{
      .dtype = qkv.dtype,
      .heads = spec.heads,
      .kv_heads = spec.kv_heads,
      .head_dim = spec.head_dim,
      .scale = spec.scale,
      .back = window,
      .ahead = spec.see.causal ? 0 : window,
      .distance_bias = std::holds_alternative<Buckets>(spec.score) ? a.distance_bias : TensorView{},
      .index = cross ? TensorView{} : batch.index,
      .mask = cross ? TensorView{} : batch.mask};
  ops::attention({rows, width}, queries, {keys.sequences, k, v, keys.store ? &pages : nullptr}, options,
                 {context.data, inner}, weights_out, a.attention_workspace);
}

void leave_attention(const AttentionWeights& weights, Space& a, int64_t begin, int64_t end) {
  const TensorView x = slice(a.x, begin, end), context = of_width(a.context, weights.out.weight.k);
  ops::linear(slice(context, begin, end), weights.out.weight, weights.out.bias, Act::kNone, x, x);
}

}  // namespace fastplm
