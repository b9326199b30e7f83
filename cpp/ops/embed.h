// Sum of embedding rows:  y[r] = tokens[ids[r]] * scale + segments[segment_ids[r]] + positions[position_ids[r]]
#pragma once
#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"
#include "ops/linear.h"

namespace fastplm::ops {

struct EmbedTables {
  TensorView tokens;      // [vocab, dim]      f32 | bf16; or empty, and then
  PackedWeight packed;    // [vocab, dim]      the same as a weight of linear(), in the format of f32 or bf16
  TensorView segments;    // [segments, dim]   f32, or empty
  TensorView positions;   // [positions, dim]  f32, or empty
  double scale = 1.0;     // of the token's row
  double x_scale = 1.0;   // of the row of x
};

//   ids            [rows]       i32 in [0, vocab); or empty, and then x x_scale takes the place of the scaled rows
//   x              [rows, dim]  f32, or empty
//   segment_ids    [rows]       i32 in [0, segments); empty: all 0
//   position_ids   [rows]       i32 in [0, positions); needed if there are positions
//   y              [rows, dim]  f32
//
// Throws kValue naming the first id out of range.
FASTPLM_EXPORT void embed(const EmbedTables& tables, TensorView ids, TensorView x, TensorView segment_ids,
                          TensorView position_ids, TensorView y);

}  // namespace fastplm::ops
