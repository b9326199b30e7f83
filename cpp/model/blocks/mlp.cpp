#include "model/blocks/mlp.h"

#include "ops/glu.h"

namespace fastplm {

MlpWeights load_mlp(Loader& load, const MlpSpec& spec, int64_t width, int64_t layer) {
  MlpWeights weights;
  if (!spec.gated)
    weights.up = load.linear({{"mlp.up", spec.width}}, layer, width, spec.bias);
  else if (load.as_one("mlp.gate_up", "mlp.gate", layer))
    weights.up = load.linear({{"mlp.gate_up", 2 * spec.width}}, layer, width, spec.bias);
  else
    weights.up = load.linear({{"mlp.gate", spec.width}, {"mlp.up", spec.width}}, layer, width, spec.bias);
  weights.down = load.linear({{"mlp.down", width}}, layer, spec.width, spec.down_bias);
  return weights;
}

// Rows [begin, end) of a workspace that may be wider than this layer needs.
static TensorView rows_of(const TensorView& space, int64_t begin, int64_t end, int64_t width) {
  TensorView view = space;
  view.data = space.as<std::byte>() + begin * width * size_of(space.dtype);
  view.shape = {end - begin, width};
  return view;
}

void mlp_block(const MlpSpec& spec, const MlpWeights& weights, Space& a, int64_t begin, int64_t end, int64_t scratch,
               TensorView residual, TensorView to) {
  const int64_t stop = scratch + (end - begin);
  const TensorView up = rows_of(a.up, scratch, stop, weights.up.weight.n);
  ops::linear(slice(a.h, begin, end), weights.up.weight, weights.up.bias, spec.gated ? Act::kNone : spec.act, {}, up);
  TensorView down = up;
  if (spec.gated) {
    down = rows_of(a.gated, scratch, stop, spec.width);
    ops::glu(up, spec.act, down);
  }
  ops::linear(down, weights.down.weight, weights.down.bias, Act::kNone, residual, to);
}

}  // namespace fastplm
