// Sum of embeddings, norm and dropout, and their gradient:
//   s = sum over tables of table[ids],  y = dropout(norm(s) * weight + bias)        norm, dropout: ops/train/add_norm.h
#pragma once
#include <span>

#include "core/export.h"
#include "core/tensor.h"
#include "ops/train/add_norm.h"

namespace fastplm::ops {

struct EmbedTable {
  TensorView table;  // [rows, dim]  f32 | bf16
  TensorView ids;  // [tokens]     i64 in [0, rows); or empty: all 0
};

//   tables         1 to 3 of one dtype
//   weight, bias   [dim]          f32, or empty: 1 and 0
//   sum, y         [tokens, dim]  of the tables' dtype
//   stats          [tokens, 2]    f32, as add_norm's
// Throws kValue, kType.
FASTPLM_EXPORT void embed_norm(std::span<const EmbedTable> tables, TensorView weight, TensorView bias,
                               const AddNorm& options, TensorView sum, TensorView y, TensorView stats);

//   dy, dsum        [tokens, dim]  f32 | bf16: dsum is the gradient with respect to s
//   sum, stats      of embed_norm
//   dweight, dbias  [dim]          f32, or empty
//   workspace       add_norm_workspace() bytes of u8, 4-byte aligned
FASTPLM_EXPORT void embed_norm_grad(TensorView dy, TensorView sum, TensorView stats, TensorView weight,
                                    const AddNorm& options, TensorView dsum, TensorView dweight, TensorView dbias,
                                    TensorView workspace);

// table [rows, dim] f32 = for each of its rows, the sum of grad [tokens, dim] where ids [tokens] i64 (or empty: all 0)
// says that row; tokens in ascending order. Throws kValue, kType.
FASTPLM_EXPORT void scatter(TensorView grad, TensorView ids, TensorView table);

}  // namespace fastplm::ops
