// Linear layers:  out = act(a w^T + bias) + residual,  with w packed once.
#pragma once
#include <span>
#include <vector>

#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm::ops {

// A weight [n, k] in the panels of the chosen ISA (kernels.h: FormatKernels). Owns nothing.
struct PackedWeight {
  void* panels = nullptr;   // packed_bytes(format, n, k) bytes, 64-byte aligned
  Format format = Format::kF32;
  int64_t n = 0, k = 0;
  explicit operator bool() const { return panels; }
};

FASTPLM_EXPORT int64_t packed_bytes(Format format, int64_t n, int64_t k);
FASTPLM_EXPORT DType activation_of(Format format);   // of what is multiplied with such weights

FASTPLM_EXPORT CodeLayout codes_of(Format format);   // bits 0: its weights are no integers

// The largest magnitude in each column of a matrix [n, k], or [k, n] if transposed, of f32 | f16 | bf16.
FASTPLM_EXPORT std::vector<float> column_sizes(TensorView w, bool transposed);

// What a matrix is multiplied by before it is rounded, in formats of integers only.
struct Factors {
  std::span<const float> rows = {}, columns = {};   // [n], [k]; or empty
};

//   w            f32 | f16 | bf16, [out.n, out.k]; or [out.k, out.n] if transposed
//   out.panels   written: values are rounded to out.format
// Throws kUnsupported for rows so long that the format's sums could overflow: of int8, above 132,104 values.
FASTPLM_EXPORT void pack(TensorView w, bool transposed, const PackedWeight& out, const Factors& factors = {});

//   rows   out.n pointers to out.k values of `stored` each, wherever they are
FASTPLM_EXPORT void pack_rows(std::span<const void* const> rows, DType stored, const PackedWeight& out,
                              const Factors& factors = {});

// Rows of a matrix as integers (codes_of): row i has its codes at codes[i], its scales, and its zeros if the layout has
// them. None of the codes is beyond what the layout's bits say.
struct CodedRows {
  std::vector<void*> codes, scales, zeros;   // [n]; zeros: or empty
};
FASTPLM_EXPORT void pack_codes(const CodedRows& rows, const PackedWeight& out);
FASTPLM_EXPORT void unpack_codes(const PackedWeight& w, const CodedRows& out);  // written: what pack_codes would take

//   a          [m, w.k]  of activation_of(w.format)
//   bias       [w.n]     f32, or empty
//   residual   [m, w.n]  f32, or empty; added last; may be out
//   out        [m, w.n]  f32 or as a
//
// Sums run in f32 over ascending k, so a row does not depend on the other rows; those of int8 are exact, as are those
// of a group of int4 (their rounding of a and w: kernels/format). Throws kValue, kType.
FASTPLM_EXPORT void linear(TensorView a, const PackedWeight& w, TensorView bias, Act act, TensorView residual,
                           TensorView out);

}  // namespace fastplm::ops
