// Residual, dropout and norm, and their gradient:
//   s = dropout(x) + residual,  y = norm(s) * weight + bias        norm: ops/norm.h; dropout: ops/train/dropout.h
#pragma once
#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm::ops {

struct AddNorm {
  NormKind kind;
  double eps;
  TensorView seed;   // [2] i64, or empty
  double p;
};

//   x              [rows, dim]  f32 | bf16
//   residual       [rows, dim]  of x.dtype, or empty
//   weight, bias   [dim]        f32, or empty: 1 and 0
//   sum            [rows, dim]  of x.dtype: s; empty where it is x itself, without residual and dropout
//   y              [rows, dim]  of x.dtype
//   stats          [rows, 2]    f32: the mean (0 for RMSNorm) and 1 / sqrt(variance + eps), for the gradient
//
// Statistics are those of s as it is stored. No two may overlap. Throws kValue, kType.
FASTPLM_EXPORT void add_norm(TensorView x, TensorView residual, TensorView weight, TensorView bias,
                             const AddNorm& options, TensorView sum, TensorView y, TensorView stats);

FASTPLM_EXPORT int64_t add_norm_workspace(int64_t rows, int64_t dim);   // in bytes

//   dy              [rows, dim]  f32 | bf16
//   dsum            [rows, dim]  of dy.dtype: gradient with respect to s by another way, added; or empty
//   sum             [rows, dim]  s of add_norm, or x
//   stats           [rows, 2]    of add_norm
//   dx, dresidual   [rows, dim]  of dy.dtype; dx: empty without dropout, when both are the same
//   dweight, dbias  [dim]        f32, or empty
//   workspace       add_norm_workspace() bytes of u8, 4-byte aligned
//
// dweight and dbias are summed in an order that depends on the number of rows alone. dsum may be dresidual.
FASTPLM_EXPORT void add_norm_grad(TensorView dy, TensorView dsum, TensorView sum, TensorView stats, TensorView weight,
                                  const AddNorm& options, TensorView dx, TensorView dresidual, TensorView dweight,
                                  TensorView dbias, TensorView workspace);

}  // namespace fastplm::ops
