// LayerNorm or RMSNorm of the residual stream.
#pragma once
#include "model/loader.h"

namespace fastplm {

// h = norm(x); with keep, x = norm(x) too. h may be x.
void norm_block(const NormSpec& spec, const NormWeights& weights, TensorView x, TensorView h, bool keep);

}  // namespace fastplm
