#include "model/blocks/attention.h"

#include <algorithm>
#include <cstring>

#include "ops/attention.h"
#include "ops/convert.h"
#include "ops/norm.h"
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

TensorView load_positions(Loader& load, const RelativeKeys& spec, int64_t width, Memory& aside) {
  const TensorView table = load.table("attention.positions", {spec.count, width}, &aside);
  if (spec.norm) {
    const NormWeights norm = load.norm("attention.positions_norm", 0, width, spec.norm->bias);
    ops::norm(table, spec.norm->kind, norm.weight, norm.bias, spec.norm->eps, table);
  }
  for (int64_t first = 0, last = spec.count - 1; first < last; ++first, --last) {
    float* rows = table.as<float>();
    std::swap_ranges(rows + first * width, rows + (first + 1) * width, rows + last * width);
  }
  if (load.dtype() == DType::kF32) return table;
  const TensorView narrow{aside.take(table.shape.count() * size_of(load.dtype())), load.dtype(), Device::kCpu,
                          table.shape};
  ops::convert(table, narrow);
  return narrow;
}

// The positions' keys and queries do not depend on the input: each layer's are made once.
static ops::RelativePositions fold_positions(Loader& load, const AttentionSpec& spec, const RelativeKeys& relative,
                                             const LinearWeights& in, TensorView positions, int64_t layer) {
  const int64_t inner = spec.inner(), count = relative.count, size = size_of(load.dtype());
  ops::RelativePositions made{.count = count};
  Memory aside;
  const auto project = [&](const LinearWeights& weights) {
    const TensorView y{
        aside.take(count * weights.weight.n * size), load.dtype(), Device::kCpu, {count, weights.weight.n}};
    ops::linear(positions, weights.weight, weights.bias, Act::kNone, {}, y);
    return y;
  };
  const auto own = [&](const char* slot, bool bias) {
    return project(load.linear({{slot, inner}}, layer, positions.shape[1], bias, &aside));
  };
  const TensorView shared = relative.shared ? project(in) : TensorView{};
  const int64_t ld = relative.shared ? shared.shape[1] : inner;
  if (relative.keys) {
    const std::byte* from = relative.shared ? shared.as<std::byte>() + inner * size
                                            : own("attention.position_key", relative.key_bias).as<std::byte>();
    const int64_t bytes = ops::packed_bytes(load.dtype(), count, spec.head_dim);
    std::byte* to = load.take(spec.heads * bytes);
    for (int64_t h = 0; h < spec.heads; ++h) {
      std::vector<const void*> rows;
      for (int64_t p = 0; p < count; ++p) rows.push_back(from + (p * ld + h * spec.head_dim) * size);
      ops::pack_rows(rows, load.dtype(), {to + h * bytes, load.dtype(), count, spec.head_dim});
    }
    made.keys = to;
  }
  if (relative.queries) {
    const TensorView from = relative.shared ? shared : own("attention.position_query", true);
    std::byte* to = load.take(count * inner * size);
    for (int64_t p = 0; p < count; ++p)
      std::memcpy(to + p * inner * size, from.as<std::byte>() + p * ld * size, size_t(inner * size));
    made.queries = {to, inner};
  }
  return made;
}

AttentionWeights load_attention(Loader& load, const AttentionSpec& spec, int64_t width, int64_t encoder_width,
                                int64_t layer, TensorView positions) {
  const bool cross = spec.keys == Source::kEncoder;
  const std::string name = cross ? "cross" : "attention";
  const int64_t inner = spec.inner(), kv = spec.kv_inner();
  AttentionWeights weights;
  if (cross) {
    weights.in = load.linear({{name + ".query", inner}}, layer, width, spec.qkv_bias);
    weights.keys = load.linear({{name + ".key", kv}, {name + ".value", kv}}, layer, encoder_width, spec.qkv_bias);
  } else if (load.has(name + ".qkv", layer)) {
    const bool apart = load.has_vector(name + ".query_bias", layer);
    weights.in = load.linear({{name + ".qkv", inner + 2 * kv, spec.heads}}, layer, width, spec.qkv_bias && !apart);
    if (apart) {
      weights.in.bias =
          load.vectors({{name + ".query_bias", inner}, {name + ".key_bias", kv}, {name + ".value_bias", kv}}, layer);
    }
  } else {
    weights.in = load.linear({{name + ".query", inner}, {name + ".key", kv}, {name + ".value", kv}}, layer, width,
                             spec.qkv_bias);
  }
  weights.out = load.linear({{name + ".out", width}}, layer, inner, spec.out_bias);
  if (const auto* relative = std::get_if<RelativeKeys>(&spec.score))
    weights.relative = fold_positions(load, spec, *relative, weights.in, positions, layer);
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
            const AttentionWeights& weights, TensorView rope, Space& a, float* weights_out) {
  ops::RelativePositions relative = weights.relative;
  if (relative.count) relative.place = a.place;
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
      .mask = cross ? TensorView{} : batch.mask,
      .relative = relative};
  ops::attention({rows, width}, queries, {keys.sequences, k, v, keys.store ? &pages : nullptr}, options,
                 {context.data, inner}, weights_out, a.attention_workspace);
}

void leave_attention(const AttentionWeights& weights, Space& a, int64_t begin, int64_t end) {
  const TensorView x = slice(a.x, begin, end), context = of_width(a.context, weights.out.weight.k);
  ops::linear(slice(context, begin, end), weights.out.weight, weights.out.bias, Act::kNone, x, x);
}

}  // namespace fastplm
