// LayerNorm and RMSNorm over the last axis.
//   kLayer:  y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * weight + bias
//   kRms:    y = x / sqrt(mean(x^2) + eps) * weight + bias
#pragma once
#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm::ops {

//   x              [rows, dim]  f32
//   weight, bias   [dim]        f32, or empty: 1 and 0
//   y              [rows, dim]  f32 or bf16; may be x
//   y_copy         [rows, dim]  f32: the same result, for a residual kept beside a bf16 y; or empty; may be x
//
// Statistics in two passes over f32 values. Throws kValue, kType.
// Papers: arXiv:1607.06450, arXiv:1910.07467.
FASTPLM_EXPORT void norm(TensorView x, NormKind kind, TensorView weight, TensorView bias, double eps, TensorView y,
                         TensorView y_copy = {});

// RMSNorm of each head of x, in place:
//   x        [rows, row]  f32 | bf16: the first heads * dim values of each row
//   weight   [dim]        f32
FASTPLM_EXPORT void head_norm(TensorView x, int64_t heads, TensorView weight, double eps);

}  // namespace fastplm::ops
