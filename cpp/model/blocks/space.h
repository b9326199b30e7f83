// The intermediate values of one group of sequences on its way through a stack, and what blocks share.
#pragma once
#include "core/buffer.h"
#include "model/batch.h"
#include "model/spec.h"

namespace fastplm {

struct Space {
  TensorView x;             // [tokens, width] f32: the residual stream
  TensorView embedded;      // [tokens, embed_width] f32: the embeddings before they are projected, or empty
  TensorView embedded_h;    // the same in the model's dtype; may be embedded
  TensorView h;             // [tokens, width] of the model's dtype: what matrices multiply; may be x
  TensorView qkv;           // [tokens, heads + 2 kv_heads, head_dim]: see attention.h
  TensorView context;       // [tokens, heads head_dim]: what attention returns
  TensorView delta;         // [tokens, width] f32: a branch's result on its way to x, or empty
  TensorView up, gated;     // [rows, mlp]: see mlp.h
  TensorView last;          // [tokens, out_width] f32: what the stack ends with; may be x
  TensorView position_ids;  // [tokens] i32
  TensorView unfolded;      // [tokens, width length]: see conv.h; or empty
  TensorView distance_bias; // [heads, 2 reach - 1] f32, or empty
  TensorView place;         // [2 reach - 1] i32: of RelativeKeys and RelativeWaves, or empty
  TensorView mirrored;      // the same, of sequences that are read backwards
  TensorView attention_workspace;   // u8
  TensorView rows, next;    // [rows, widest head step] f32: see head.h
  TensorView narrow;        // the same in the model's dtype

  struct Size {
    int64_t tokens, longest, reach, mlp_rows, threads;   // tokens: with targets; longest: of keys
    int64_t waves = 0;   // distances that have keys
    int64_t head_rows = 0, head_width = 0;
  };
  static int64_t bytes(const StackSpec& spec, DType dtype, const Size& size);   // that take() will need
  static Space take(Arena& arena, const StackSpec& spec, DType dtype, const Size& size);
};

}  // namespace fastplm
