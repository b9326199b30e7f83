// Rotary position embedding of packed heads, and its gradient, which turns back. Paper: arXiv:2104.09864.
//   (a, b) of pair i becomes (a cosine_i - b sine_i, b cosine_i + a sine_i); what is behind the pairs stays
#pragma once
#include "core/export.h"
#include "core/tensor.h"

namespace fastplm::ops {

struct Rotary {
  bool interleaved = false;   // pair i: values 2 i and 2 i + 1; else i and i + pairs
  bool backwards = false;     // by the negative angle
};

//   x, y           [tokens, heads, head_dim]  f32 | bf16; no overlap
//   cosine, sine   [tokens, pairs]            f32; 2 pairs <= head_dim
// Throws kValue, kType.
FASTPLM_EXPORT void rotary(TensorView x, TensorView cosine, TensorView sine, const Rotary& options, TensorView y);

}  // namespace fastplm::ops
