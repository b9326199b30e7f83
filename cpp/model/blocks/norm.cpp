#include "model/blocks/norm.h"

#include "ops/norm.h"

namespace fastplm {

void norm_block(const NormSpec& spec, const NormWeights& weights, TensorView x, TensorView h, bool keep) {
  const bool copy = keep && h.data != x.data;
  ops::norm(x, spec.kind, weights.weight, weights.bias, spec.eps, h, copy ? x : TensorView{});
}

}  // namespace fastplm
