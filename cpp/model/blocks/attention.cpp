#include "model/blocks/attention.h"

#include "model/balance.h"
#include "ops/attention.h"
#include "ops/norm.h"
#include "ops/rope.h"

namespace fastplm {

AttentionWeights load_attention(Loader& load, const AttentionSpec& spec, int64_t width, int64_t encoder_width,
                                int64_t layer, TensorView positions, const NormWeights* before) {
  const bool cross = spec.keys == Source::kEncoder;
  const std::string name = cross ? "cross" : "attention";
  const int64_t inner = spec.inner(), kv = spec.kv_inner(), share = spec.heads / spec.kv_heads;
  const std::vector<Loader::Part> out{{name + ".out", width, spec.head_dim}};
  const std::vector<float> context = load.balance(out, layer, inner, share, spec.head_dim);
  const bool as_one = !cross && load.as_one(name + ".qkv", name + ".query", layer);
  std::vector<Loader::Part> in{{name + ".query", inner, spec.head_dim}};
  if (as_one)
    in = {{name + ".qkv", inner + 2 * kv, spec.head_dim}};
  else if (!cross)
    in = {{name + ".query", inner, spec.head_dim},
          {name + ".key", kv, spec.head_dim},
          {name + ".value", kv, spec.head_dim}};
  std::vector<float> columns;
  if (before && !std::holds_alternative<RelativeKeys>(spec.score)) columns = load.balance(in, layer, width);
  if (before) divide(*before, columns);

  AttentionWeights weights;
  if (cross) {
    const std::vector<float> rows = rows_against(context, 2 * kv, kv, share, spec.head_dim);
    weights.in = load.linear(in, layer, width, spec.qkv_bias, {.columns = columns});
    weights.keys =
        load.linear({{name + ".key", kv}, {name + ".value", kv}}, layer, encoder_width, spec.qkv_bias, {.rows = rows});
  } else {
    const bool apart = as_one && load.has_vector(name + ".query_bias", layer);
    const std::vector<float> rows = rows_against(context, inner + 2 * kv, inner + kv, share, spec.head_dim);
    weights.in = load.linear(in, layer, width, spec.qkv_bias && !apart, {.rows = rows, .columns = columns});
    if (apart) {
      weights.in.bias =
          load.vectors({{name + ".query_bias", inner}, {name + ".key_bias", kv}, {name + ".value_bias", kv}}, layer);
      multiply(weights.in.bias, rows);
    }
  }
  weights.out = load.linear(out, layer, inner, spec.out_bias, {.columns = context});
  if (spec.qk_norm) {
    const bool whole = spec.qk_norm->whole_row;
    weights.query_norm = load.norm(name + ".query_norm", layer, whole ? inner : spec.head_dim, false);
    weights.key_norm = load.norm(name + ".key_norm", layer, whole ? kv : spec.head_dim, false);
  }
  if (const auto* relative = std::get_if<RelativeKeys>(&spec.score))
    weights.relative = load_relative(load, spec, *relative, weights.in, positions, width, layer);
  if (std::holds_alternative<RelativeWaves>(spec.score)) {
    weights.waves = load_waves(load, spec, width, layer);
    weights.in.bias = weights.waves.query_bias;
  }
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

void attend(const AttentionSpec& spec, const AttentionWeights& weights, const Batch& batch, const Sequences& queries,
            const KeyView& keys, int64_t layer, const BatchRopes::View& rope, ops::RelativePositions relative, Space& a,
            float* weights_out) {
  if (relative.count) relative.place = a.place;
  if (batch.backward && a.mirrored) {
    relative.mirrored = a.mirrored;
    relative.backward = batch.backward;
  }
  const bool cross = spec.keys == Source::kEncoder;
  const int64_t inner = spec.inner(), kv = spec.kv_inner(), width = cross ? inner : inner + 2 * kv;
  const TensorView qkv = of_width(a.qkv, width), context = of_width(a.context, inner);
  if (spec.qk_norm) {
    const bool whole = spec.qk_norm->whole_row;
    TensorView k = qkv;   // its rows begin with the keys, and end with the next row's queries
    k.data = qkv.as<std::byte>() + inner * size_of(qkv.dtype);
    ops::head_norm(qkv, whole ? 1 : spec.heads, weights.query_norm.weight, spec.qk_norm->eps);
    ops::head_norm(k, whole ? 1 : spec.kv_heads, weights.key_norm.weight, spec.qk_norm->eps);
  }
  if (rope.table) ops::rope(qkv, spec.heads + spec.kv_heads, spec.head_dim, rope.table, rope.rows);
  std::byte* rows = qkv.as<std::byte>();
  const int64_t size = size_of(qkv.dtype);
  const ops::Rows k{rows + inner * size, width}, v{rows + (inner + kv) * size, width};
  ops::PagedKeys pages;
  if (keys.store) {
    if (!cross) keys.store->write(layer, keys.first, queries, k.data, v.data, width);
    pages = keys.store->keys(layer, keys.first);
  }
  const int64_t window = spec.see.window < 0 ? kFar : spec.see.window;
  ops::OtherSegments other;
  if (batch.segment_ids) {
    other = weights.waves.other;
    other.of_queries = batch.segment_ids;
    other.of_keys = batch.key_segments ? batch.key_segments : batch.segment_ids;
  }
  ops::AttentionOptions options{
      .dtype = qkv.dtype,
      .heads = spec.heads,
      .kv_heads = spec.kv_heads,
      .head_dim = spec.head_dim,
      .scale = spec.scale,
      .softcap = spec.softcap,
      .back = spec.see.as_remembered ? std::min(window, batch.remembered) : window,
      .ahead = spec.see.causal ? 0 : window,
      .distance_bias = std::holds_alternative<Buckets>(spec.score) ? a.distance_bias : TensorView{},
      .index = cross ? TensorView{} : batch.index,
      .at = {},
      .mask = cross ? TensorView{} : batch.mask,
      .relative = relative,
      .other = other};
  const ops::Keys seen{keys.sequences, k, v, keys.store ? &pages : nullptr};
  ops::attention({rows, width}, queries, seen, options, {context.data, inner}, weights_out, a.attention_workspace);
  if (batch.targets.count() == 0) return;
  const int64_t tokens = batch.tokens();
  options.at = batch.targets.at;
  options.mask = batch.targets.mask;
  options.other.of_queries = batch.targets.segment_ids;
  ops::attention({rows + tokens * width * size, width},
                 Sequences{batch.targets.cu_seqlens.as<int32_t>()}.part(0, queries.count), seen, options,
                 {context.as<std::byte>() + tokens * inner * size, inner}, nullptr, a.attention_workspace);
}

void leave_attention(const AttentionWeights& weights, Space& a, int64_t begin, int64_t end, TensorView residual,
                     TensorView to) {
  const TensorView context = of_width(a.context, weights.out.weight.k);
  ops::linear(slice(context, begin, end), weights.out.weight, weights.out.bias, Act::kNone, residual, to);
}

}  // namespace fastplm
