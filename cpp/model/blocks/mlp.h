// The position-wise feed-forward network, plain or gated.
#pragma once
#include "model/blocks/space.h"
#include "model/loader.h"

namespace fastplm {

// Slots: mlp.up, or of a gated one mlp.gate (the activated half) and mlp.up, or both as mlp.gate_up; mlp.down.
struct MlpWeights {
  LinearWeights up, down;
};

// before: the norm whose result is all that comes in, or null; it may be changed (balance.h).
MlpWeights load_mlp(Loader& load, const MlpSpec& spec, int64_t width, int64_t layer, const NormWeights* before);

// to = down(act(up(h))) for the rows [begin, end), plus `residual` if it is not empty. The rows of a.up and a.gated
// from `scratch` on are used.
void mlp_block(const MlpSpec& spec, const MlpWeights& weights, Space& a, int64_t begin, int64_t end, int64_t scratch,
               TensorView residual, TensorView to);

}  // namespace fastplm
