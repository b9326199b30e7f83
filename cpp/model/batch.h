// What goes into a forward pass and what comes out: packed tokens, no padding.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/tensor.h"
#include "kernels/args.h"
#include "ops/sequences.h"

namespace fastplm {

struct Batch {
  TensorView cu_seqlens;     // [sequences + 1] i32: where sequences begin
  TensorView ids;            // [tokens] i32; or empty, and then
  TensorView embeds;         // [tokens, width] f32: input vectors in place of token embeddings
  TensorView segment_ids;    // [tokens] i32, or empty: all 0
  TensorView language_ids;   // [tokens] i32, or empty: none
  TensorView hidden;         // [tokens] u8, or empty: 1 for tokens that the mask hides (spec.h: Hidden)
  TensorView position_ids;   // [tokens] i32, or empty: as the Spec counts them
  TensorView index;          // i32 of each key, or empty: a token's column in the padded row it came from
  TensorView mask;           // [tokens, longest keys] u8, or empty: which keys of its sequence each token sees
  TensorView gather;         // [sequences] i32, or empty: the row of each sequence that heads gather

  int64_t sequences() const { return cu_seqlens.shape[0] - 1; }
  int64_t tokens() const { return cu_seqlens.as<int32_t>()[sequences()]; }
};

struct Outputs {             // each is written if it is not empty
  TensorView last_hidden;    // [tokens, width] f32
  TensorView hidden_states;  // [layers + 1, tokens, width] f32: after the embeddings, after each layer
  TensorView attentions;     // [layers, n] f32: in each layer, per sequence, [heads, queries, keys]
  TensorView cross_attentions;   // the same for the encoder's keys
  std::vector<TensorView> heads;   // of each output of the model's head, [tokens or sequences, width] f32; or none
  bool last_rows = false;    // heads give one row for each sequence: that of its last token
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
