// The intermediate values of one group of sequences on its way through the model, and what blocks share.
#pragma once
#include "core/buffer.h"
#include "model/batch.h"
#include "model/spec.h"
#include "model/weights.h"

namespace fastplm {

struct Activations {
  TensorView x;             // [tokens, width] f32: the residual stream
  TensorView h;             // [tokens, width] of the model's dtype: what matrices multiply; may be x
  TensorView qkv;           // [tokens, 3 heads head_dim]
  TensorView context;       // [tokens, heads head_dim]: what attention returns
  TensorView up, gated;     // [rows, mlp]: see mlp.h
  TensorView position_ids;  // [tokens] i32
  TensorView distance_bias; // [heads, 2 reach - 1] f32, or empty
  TensorView attention_workspace;   // u8

  TensorView first;         // [sequences, width] of the model's dtype: first tokens, for the pooler

  struct Size {
    int64_t tokens, sequences, longest, reach, mlp_rows, threads;
  };
  static int64_t bytes(const Spec& spec, DType dtype, const Size& size);   // that take() will need
  static Activations take(Arena& arena, const Spec& spec, DType dtype, const Size& size);
};

}  // namespace fastplm
