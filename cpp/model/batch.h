// What goes into a forward pass and what comes out: packed tokens, no padding.
#pragma once
#include <algorithm>
#include <cstddef>

#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm {

struct Batch {
  TensorView cu_seqlens;     // [sequences + 1] i32: where sequences begin
  TensorView ids;            // [tokens] i32; or empty, and then
  TensorView embeds;         // [tokens, width] f32: input vectors in place of token embeddings
  TensorView segment_ids;    // [tokens] i32, or empty: all 0
  TensorView position_ids;   // [tokens] i32, or empty: as the Spec counts them
  TensorView index;          // [tokens] i32, or empty: a token's column in the padded row it came from
  TensorView mask;           // [tokens, longest] u8, or empty: which tokens of its sequence each one attends to

  int64_t sequences() const { return cu_seqlens.shape[0] - 1; }
  int64_t tokens() const { return cu_seqlens.as<int32_t>()[sequences()]; }
};

struct Outputs {             // each is written if it is not empty
  TensorView last_hidden;    // [tokens, width] f32
  TensorView hidden_states;  // [layers + 1, tokens, width] f32: after the embeddings, after each layer
  TensorView attentions;     // f32: per layer, per sequence, [heads, length, length]
  TensorView pooler;         // [sequences, width] f32
  TensorView pooled;         // [sequences, width] f32, made by
  PoolKind pool = PoolKind::kMean;
  bool normalize = false;
};

// Rows [begin, end) of the first dimension.
inline TensorView slice(const TensorView& t, int64_t begin, int64_t end) {
  if (!t) return t;
  TensorView part = t;
  part.data = t.as<std::byte>() + begin * (t.shape.count() / std::max<int64_t>(1, t.shape[0])) * size_of(t.dtype);
  part.shape.dims[0] = end - begin;
  return part;
}

}  // namespace fastplm
