// Attention of packed queries to packed keys, without padding, and its gradient.
//   out[i] = sum_j dropout(p_ij) v_j,   p_i = softmax_j(scale q_i . k_j + bias_ij),   j over the keys of i's sequence
#pragma once
#include "core/export.h"
#include "core/tensor.h"
#include "ops/keys.h"
#include "ops/sequences.h"

namespace fastplm::ops {

struct Flash {
  double scale = 1.0;                  // > 0
  int64_t back = kFar, ahead = kFar;   // a token sees those at most this far before and behind it
  TensorView seed;                     // ops/train/dropout.h; of the probabilities
  double p = 0.0;
};

//   q, out          [tokens, heads, head_dim]          f32 | bf16
//   k, v            [key tokens, kv_heads, head_dim]   of q.dtype; query head h reads key head h / (heads / kv_heads)
//   queries, keys   where sequences begin; the last queries of a sequence stand where its last keys do
//   bias            [heads, 2 reach - 1]  f32, by distance: bias_ij is at reach - 1 + j - i; or
//                   [sequences or 1, heads or 1, queries, keys]  f32, by query and key of a sequence, the last two at
//                   least as many as the longest has; -inf hides a key; or empty
//   lse             [tokens, heads]       f32: log(sum_j exp(score_ij)), -inf where no key is seen, whose out is 0
//   workspace       a multiple of flash_workspace() bytes of u8, 64-byte aligned: one share per thread at work
// Throws kValue, kType.
FASTPLM_EXPORT void flash(TensorView q, TensorView k, TensorView v, const Sequences& queries, const Sequences& keys,
                          TensorView bias, const Flash& options, TensorView out, TensorView lse, TensorView workspace);

//   out, lse     of flash
//   dout         as out
//   dq, dk, dv   as q, k, v
//   dbias        [sequences, heads, 2 reach - 1]  f32: each sequence's share of the gradient of distances; of another
//                bias its shape; or empty
// Sequences or heads that share a bias of the second kind follow each other on one thread when dbias is given.
FASTPLM_EXPORT void flash_grad(TensorView dout, TensorView q, TensorView k, TensorView v, TensorView out,
                               TensorView lse, const Sequences& queries, const Sequences& keys, TensorView bias,
                               const Flash& options, TensorView dq, TensorView dk, TensorView dv, TensorView dbias,
                               TensorView workspace);

// The same on CUDA: query_start and key_start [sequences + 1] i32 lie there, and are clamped instead of checked. Where
// a query sees a key at a distance of `reach` or more, its out is NaN.
FASTPLM_EXPORT void flash_on_cuda(TensorView q, TensorView k, TensorView v, TensorView query_start,
                                  TensorView key_start, TensorView bias, const Flash& options, TensorView out,
                                  TensorView lse);

//   dbias       [flash_bias_shares(), heads, 2 reach - 1]  f32: the shares of tiles of queries; or empty
//   workspace   4 bytes of u8 for each value of lse, 4-byte aligned
FASTPLM_EXPORT void flash_grad_on_cuda(TensorView dout, TensorView q, TensorView k, TensorView v, TensorView out,
                                       TensorView lse, TensorView query_start, TensorView key_start, TensorView bias,
                                       const Flash& options, TensorView dq, TensorView dk, TensorView dv,
                                       TensorView dbias, TensorView workspace);

// How many shares of the gradient of bias flash_grad writes.
FASTPLM_EXPORT int64_t flash_bias_shares(TensorView q, int64_t sequences);

FASTPLM_EXPORT int64_t flash_workspace(DType dtype, int64_t head_dim, int64_t longest);   // one share, in bytes

}  // namespace fastplm::ops
