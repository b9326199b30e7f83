#include "model/blocks/mlp.h"

#include "model/balance.h"
#include "ops/glu.h"

namespace fastplm {

MlpWeights load_mlp(Loader& load, const MlpSpec& spec, int64_t width, int64_t layer, const NormWeights* before) {
  using Parts = std::vector<Loader::Part>;
  const bool as_one = spec.gated && load.as_one("mlp.gate_up", "mlp.gate", layer);
  const Parts up = as_one       ? Parts{{"mlp.gate_up", 2 * spec.width}}
                   : spec.gated ? Parts{{"mlp.gate", spec.width}, {"mlp.up", spec.width}}
                                : Parts{{"mlp.up", spec.width}};
  const Parts down{{"mlp.down", width}};
  std::vector<float> columns, hidden, rows;
  if (before) {
    columns = load.balance(up, layer, width);
    divide(*before, columns);
  }
  if (spec.gated || spec.act == Act::kNone || spec.act == Act::kRelu) {   // factors pass through
    const int64_t first = spec.gated ? spec.width : 0;
    hidden = load.balance(down, layer, spec.width);
    rows = rows_against(hidden, first + spec.width, first, 1, spec.width);
  }
  return {.up = load.linear(up, layer, width, spec.bias, {.rows = rows, .columns = columns}),
          .down = load.linear(down, layer, spec.width, spec.down_bias, {.columns = hidden})};
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
