// Linear layers:  out = act(a w^T + bias) + residual,  with w packed once.
#pragma once
#include <span>

#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm::ops {

// A weight [n, k] in the panel order of the chosen ISA (kernels.h: PanelLayout). Owns nothing.
struct PackedWeight {
  void* panels = nullptr;   // packed_bytes(dtype, n, k) bytes, 64-byte aligned
  DType dtype = DType::kF32;
  int64_t n = 0, k = 0;
  explicit operator bool() const { return panels; }
};

FASTPLM_EXPORT int64_t packed_bytes(DType dtype, int64_t n, int64_t k);

//   w            f32 | f16 | bf16, [out.n, out.k]; or [out.k, out.n] if transposed
//   out.panels   written; out.dtype f32 | bf16: values are rounded to it
FASTPLM_EXPORT void pack(TensorView w, bool transposed, const PackedWeight& out);

//   rows   out.n pointers to out.k values of `stored` each, wherever they are
FASTPLM_EXPORT void pack_rows(std::span<const void* const> rows, DType stored, const PackedWeight& out);

//   a          [m, w.k]  of w.dtype
//   bias       [w.n]     f32, or empty
//   residual   [m, w.n]  f32, or empty; added last; may be out
//   out        [m, w.n]  f32 or w.dtype
//
// Sums run in f32 over ascending k, so a row does not depend on the other rows. Throws kValue, kType.
FASTPLM_EXPORT void linear(TensorView a, const PackedWeight& w, TensorView bias, Act act, TensorView residual,
                           TensorView out);

}  // namespace fastplm::ops
