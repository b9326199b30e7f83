// One vector per sequence out of its token vectors: mean, first token, maximum, sum / sqrt(length), last token.
#pragma once
#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm::ops {

//   x            [tokens, dim]   f32
//   cu_seqlens   [sequences + 1] i32, from 0 to tokens, not decreasing: where each sequence begins
//   y            [sequences, dim] f32; zeros for an empty sequence
//   normalize    divide by max(L2 norm, 1e-12)
FASTPLM_EXPORT void pool(TensorView x, TensorView cu_seqlens, PoolKind kind, bool normalize, TensorView y);

}  // namespace fastplm::ops
