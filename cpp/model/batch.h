// What goes into a forward pass and what comes out: packed tokens, no padding.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/tensor.h"
#include "kernels/args.h"
#include "ops/sequences.h"

namespace fastplm {

// Tokens to be predicted: a second stream of states, which begin with one vector for all, ask the keys of the batch's
// tokens, and are no keys. Of each sequence, in the order of their columns.
struct Targets {
  TensorView cu_seqlens;     // [sequences + 1] i32; or empty: there are none
  TensorView at;             // [targets] i32, increasing in a sequence: where each stands, as `index` says of keys
  TensorView segment_ids;    // [targets] i32, or empty: as the tokens' are
  TensorView mask;           // [targets, longest keys] u8, or empty

  int64_t count() const { return cu_seqlens ? cu_seqlens.as<int32_t>()[cu_seqlens.shape[0] - 1] : 0; }
};

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
  TensorView key_segments;   // i32 of each key, or empty: as segment_ids
  TensorView backward;       // [sequences] u8, or empty: 1 where distances count backwards
  int64_t remembered = 0;    // columns of hidden states that go before each sequence's tokens
  Targets targets;           // heads read these in place of the tokens, if there are any

  int64_t sequences() const { return cu_seqlens.shape[0] - 1; }
  int64_t tokens() const { return cu_seqlens.as<int32_t>()[sequences()]; }
  int64_t rows() const { return tokens() + targets.count(); }   // of the forward pass: the tokens, then the targets
};

struct Outputs {             // each is written if it is not empty
  TensorView last_hidden;    // [rows, out_width] f32
  TensorView hidden_states;  // [layers + 1, rows, width] f32: after the embeddings, after each layer; not projected
  TensorView attentions;     // [layers, n] f32: in each layer, per sequence, [heads, queries, keys]
  TensorView cross_attentions;   // the same for the encoder's keys
  std::vector<TensorView> heads;  // of each output of the model's head, [tokens (or targets) or sequences, width] f32
  bool last_rows = false;  // heads give one row for each sequence: that of its last token
  TensorView pooled;  // [sequences, out_width] f32, made by
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
