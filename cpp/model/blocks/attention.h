// Attention, from the residual stream back to it, in three steps: the first and the last work on any rows, the
// middle one on whole sequences.
#pragma once
#include <memory>

#include "model/blocks/relative.h"
#include "model/blocks/rope.h"
#include "model/blocks/space.h"
#include "model/blocks/waves.h"
#include "model/cache.h"
#include "model/loader.h"

namespace fastplm {

// Slots, with the prefix "attention" or, where the keys come from the encoder, "cross": .qkv or .query, .key,
// .value; the vectors .query_bias, .key_bias and .value_bias, where biases have names of their own; .out; .query_norm
// and .key_norm. Of the whole stack or of each layer: attention.buckets; of RelativeKeys: see relative.h; of
// RelativeWaves: waves.h.
struct AttentionWeights {
  LinearWeights in;    // queries, keys and values; of the encoder's keys: queries
  LinearWeights keys;  // the encoder's keys and values
  LinearWeights out;
  NormWeights query_norm, key_norm;
  std::shared_ptr<RopeTable> rope;
  ops::RelativePositions relative;   // without `place`
  WaveWeights waves;
};

// positions: of load_positions, for RelativeKeys. before: the norm whose result is all that comes in, or null; it may
// be changed (balance.h).
AttentionWeights load_attention(Loader& load, const AttentionSpec& spec, int64_t width, int64_t encoder_width,
                                int64_t layer, TensorView positions, const NormWeights* before);

// a.qkv = h Win for the rows [begin, end).
void enter_attention(const AttentionWeights& weights, Space& a, int64_t begin, int64_t end);

// Of a group of sequences: their queries, and how many keys each has.
struct KeyView {
  Sequences sequences;        // of keys
  KeyStore* store = nullptr;  // where they are, or go first; null: this forward pass's own rows
  int64_t first = 0;          // the store's sequence of the group's first
};

// a.context = attention(a.qkv). rope: of weights.rope, or empty; relative: of the layer, without `place`; weights_out
// as ops::attention has it, of the batch's tokens.
void attend(const AttentionSpec& spec, const AttentionWeights& weights, const Batch& batch, const Sequences& queries,
            const KeyView& keys, int64_t layer, const BatchRopes::View& rope, ops::RelativePositions relative, Space& a,
            float* weights_out);

// to = context Wout for the rows [begin, end), plus `residual` if it is not empty.
void leave_attention(const AttentionWeights& weights, Space& a, int64_t begin, int64_t end, TensorView residual,
                     TensorView to);

}  // namespace fastplm
