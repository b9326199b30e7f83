#include "model/blocks/attention.h"

#include "ops/attention.h"
#include "ops/rope.h"

namespace fastplm {

void project_qkv(const LayerWeights& weights, Activations& a, int64_t begin, int64_t end) {
  ops::linear(slice(a.h, begin, end), weights.qkv.weight, weights.qkv.bias, Act::kNone, {}, slice(a.qkv, begin, end));
}

void attend(const AttentionSpec& spec, const Batch& batch, TensorView rope, Activations& a, TensorView weights_out) {
  if (rope) ops::rope(a.qkv, 2 * spec.heads, rope, a.position_ids);   // queries and keys
  const ops::AttentionOptions options{.heads = spec.heads,
                                      .head_dim = spec.head_dim,
                                      .scale = spec.scale,
                                      .window = spec.window,
                                      .distance_bias = a.distance_bias,
                                      .index = batch.index,
                                      .mask = batch.mask};
  ops::attention(a.qkv, batch.cu_seqlens, options, a.context, weights_out, a.attention_workspace);
}

void project_context(const LayerWeights& weights, Activations& a, int64_t begin, int64_t end) {
  const TensorView x = slice(a.x, begin, end);
  ops::linear(slice(a.context, begin, end), weights.attention_out.weight, weights.attention_out.bias, Act::kNone, x, x);
}

}  // namespace fastplm
