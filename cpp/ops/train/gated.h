// Activations, gated or plain, and their gradient:   y = dropout(act(x) * up)
#pragma once
#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm::ops {

//   x    [rows, dim]  f32 | bf16
//   up   [rows, dim]  of x.dtype, or empty: 1
//   y    [rows, dim]  of x.dtype
//   seed, p: ops/train/dropout.h. Throws kValue, kType.
FASTPLM_EXPORT void gated(TensorView x, TensorView up, Act act, TensorView seed, double p, TensorView y);

//   dy        [rows, dim]  f32 | bf16
//   x, up     of gated
//   dx, dup   [rows, dim]  of dy.dtype; dup: empty without up. dx may be dy without up.
FASTPLM_EXPORT void gated_grad(TensorView dy, TensorView x, TensorView up, Act act, TensorView seed, double p,
                               TensorView dx, TensorView dup);

FASTPLM_EXPORT int64_t column_sums_workspace(int64_t rows, int64_t dim);   // in bytes

//   x           [rows, dim]  f32 | bf16
//   sums        [dim]        f32: the sum over rows, in an order that depends on their number alone
//   workspace   column_sums_workspace() bytes of u8, 4-byte aligned
FASTPLM_EXPORT void column_sums(TensorView x, TensorView sums, TensorView workspace);

}  // namespace fastplm::ops
