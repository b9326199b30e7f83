// Softmax over the last axis:  y = exp(x - max x) / sum exp(x - max x)
#pragma once
#include "core/export.h"
#include "core/tensor.h"

namespace fastplm::ops {

//   x, y   [..., dim]  f32; y may be x
FASTPLM_EXPORT void softmax(TensorView x, TensorView y);

}  // namespace fastplm::ops
