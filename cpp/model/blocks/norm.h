// The model's one kind of norm.
#pragma once
#include "model/spec.h"
#include "model/weights.h"

namespace fastplm {

// h = norm(x); with keep, x = norm(x) too. h may be x.
void norm_block(const NormSpec& spec, const NormWeights& weights, TensorView x, TensorView h, bool keep);

}  // namespace fastplm
