// Gated linear unit:  y = act(x[:, :dim]) * x[:, dim:].  Paper: arXiv:2002.05202.
#pragma once
#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm::ops {

//   x   [rows, 2 dim]  f32 | bf16
//   y   [rows, dim]    same dtype
FASTPLM_EXPORT void glu(TensorView x, Act act, TensorView y);

}  // namespace fastplm::ops
