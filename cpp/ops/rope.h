// Rotary position embedding: the two halves (a, b) of each head become (a c - b s, b c + a s), with c, s the
// cosine and sine of position * theta^(-2 i / head_dim), i the place in the half. Paper: arXiv:2104.09864.
#pragma once
#include "core/export.h"
#include "core/tensor.h"

namespace fastplm::ops {

// Writes cosines, then sines, of head_dim / 2 angles for positions 0, 1, ...:  table [positions, head_dim] f32.
// Angles are rounded to f32 before the cosine, as transformers computes them.
FASTPLM_EXPORT void rope_table(double theta, TensorView table);

//   x              [rows, row]  f32 | bf16: the first heads * head_dim values of each row are rotated in place
//   table          [positions, head_dim]  f32, of rope_table
//   position_ids   [rows]  i32 in [0, positions)
FASTPLM_EXPORT void rope(TensorView x, int64_t heads, TensorView table, TensorView position_ids);

}  // namespace fastplm::ops
