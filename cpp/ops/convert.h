// Copies values into another float type, rounding to nearest even.
#pragma once
#include "core/export.h"
#include "core/tensor.h"

namespace fastplm::ops {

//   from   [...]  f32 | f16 | bf16
//   to     [...]  f32 | bf16, same shape
FASTPLM_EXPORT void convert(TensorView from, TensorView to);

}  // namespace fastplm::ops
