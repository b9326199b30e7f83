// The position-wise feed-forward network, plain or gated.
#pragma once
#include "model/blocks/activations.h"

namespace fastplm {

// x += down(act(up(h))) for the rows [begin, end). The rows of a.up and a.gated from `scratch` on are used.
void mlp_block(const MlpSpec& spec, const LayerWeights& weights, Activations& a, int64_t begin, int64_t end,
               int64_t scratch);

}  // namespace fastplm
