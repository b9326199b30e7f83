// Products of matrices that are packed for one call: the forward pass of a linear layer and both of its gradients.
#pragma once
#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm::ops {

struct ProductOptions {
  bool a_transposed = false;   // a is [k, m]
  bool b_transposed = false;   // b is [n, k]
  Act act = Act::kNone;
  bool accumulate = false;     // add a b to out, which is f32
};

//   a           [m, k], or [k, m] if transposed    f32 | bf16
//   b           [k, n], or [n, k] if transposed    of a.dtype
//   bias        [n]      f32, or empty
//   before      [m, n]   of a.dtype, or empty: a b + bias, what act is applied to
//   out         [m, n]   f32 or a.dtype: act(a b + bias)
//   workspace   product_workspace() bytes of u8, 64-byte aligned
//
// Sums run in f32 in an order that depends on n and k alone, so a row depends neither on the others nor on threads.
// bf16 values are multiplied exactly. Throws kValue, kType.
FASTPLM_EXPORT void product(TensorView a, TensorView b, TensorView bias, const ProductOptions& options,
                            TensorView before, TensorView out, TensorView workspace);

FASTPLM_EXPORT int64_t product_workspace(TensorView a, TensorView b, const ProductOptions& options, TensorView out);

}  // namespace fastplm::ops
