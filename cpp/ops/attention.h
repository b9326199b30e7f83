// Self-attention over packed sequences, without padding.
//   out[i] = sum_j softmax_j(scale q_i . k_j + bias(j - i)) v_j,  j over the tokens of i's own sequence
#pragma once
#include "core/export.h"
#include "core/tensor.h"

namespace fastplm::ops {

struct AttentionOptions {
  int64_t heads = 1, head_dim = 1;
  double scale = 1.0;        // > 0
  int64_t window = -1;       // a token sees those at most this far away; < 0: all
  TensorView distance_bias;  // [heads, 2 reach - 1] f32: added at [head, reach - 1 + index j - index i]; or empty
  TensorView index;          // [tokens] i32, increasing within a sequence: where tokens stand for window and
                             // distance_bias; empty: 0, 1, 2, ...
  TensorView mask;           // [tokens, longest] u8: where 0, the lowest f32 is added to the score; or empty
};

//   qkv          [tokens, 3 heads head_dim]  f32 | bf16: queries, keys, values
//   cu_seqlens   [sequences + 1]  i32, where sequences begin
//   out          [tokens, heads head_dim]  same dtype
//   weights      f32, for each sequence in turn its probabilities [heads, length, length]; or empty
//   workspace    a multiple of attention_workspace() bytes, 64-byte aligned: one share per thread at work
//
// A sequence's result does not depend on the others. Throws kValue, kType.
// Paper: arXiv:2205.14135 (blocks and running softmax).
FASTPLM_EXPORT void attention(TensorView qkv, TensorView cu_seqlens, const AttentionOptions& options, TensorView out,
                              TensorView weights, TensorView workspace);

// Bytes for one thread, for sequences of up to `longest` tokens.
FASTPLM_EXPORT int64_t attention_workspace(DType dtype, int64_t head_dim, int64_t longest);

// Fills distance_bias [heads, 2 reach - 1] for distances -(reach - 1) to reach - 1 from a table
// [buckets, heads] f32 of learned biases, as T5 buckets distances in both directions.
// Source: T5Attention._relative_position_bucket of transformers, in its f32 arithmetic.
FASTPLM_EXPORT void bucket_bias(TensorView table, int64_t max_distance, TensorView distance_bias);

}  // namespace fastplm::ops
