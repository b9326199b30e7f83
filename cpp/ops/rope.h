// Rotary position embedding: the two halves (a, b) of the rotated values of each head become
// (a c - b s, b c + a s), with c, s the cosine and sine of position * frequency[i], i the place in the half.
// Paper: arXiv:2104.09864.
#pragma once
#include <span>

#include "core/export.h"
#include "core/tensor.h"

namespace fastplm::ops {

// Writes factor times the cosines, then the sines, for positions first, first + 1, ...:
//   table   [positions, 2 frequencies]  f32
// Angles are rounded to f32 before the cosine, as transformers computes them.
FASTPLM_EXPORT void rope_table(std::span<const float> frequencies, double factor, int64_t first, TensorView table);

//   x              [rows, row]  f32 | bf16: in the first heads * head_dim values of each row, the first
//                               table.shape[1] of each head are rotated in place
//   table          [positions, dims]  f32, of rope_table; dims <= head_dim
//   position_ids   [rows]  i32 in [0, positions)
FASTPLM_EXPORT void rope(TensorView x, int64_t heads, int64_t head_dim, TensorView table, TensorView position_ids);

}  // namespace fastplm::ops
