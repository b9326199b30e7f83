#include "model/blocks/mlp.h"

#include "ops/glu.h"

namespace fastplm {

void mlp_block(const MlpSpec& spec, const LayerWeights& weights, Activations& a, int64_t begin, int64_t end,
               int64_t scratch) {
  const int64_t stop = scratch + (end - begin);
  const TensorView up = slice(a.up, scratch, stop), gated = slice(a.gated, scratch, stop), x = slice(a.x, begin, end);
  ops::linear(slice(a.h, begin, end), weights.mlp_up.weight, weights.mlp_up.bias, spec.gated ? Act::kNone : spec.act,
              {}, up);
  if (spec.gated) ops::glu(up, spec.act, gated);
  ops::linear(spec.gated ? gated : up, weights.mlp_down.weight, weights.mlp_down.bias, Act::kNone, x, x);
}

}  // namespace fastplm
