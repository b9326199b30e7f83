// Attention, from the residual stream back to it, in three steps: the first and the last work on any rows, the
// middle one on whole sequences.
#pragma once
#include <memory>
#include <mutex>

#include "model/blocks/space.h"
#include "model/cache.h"
#include "model/loader.h"
#include "ops/attention.h"

namespace fastplm {

// Cosines and sines of a Rope, for as many positions as were asked for so far.
class RopeTable {
 public:
  explicit RopeTable(Rope rope) : rope_(std::move(rope)) {}
  const Rope& rope() const { return rope_; }

  struct View {
    std::shared_ptr<const Buffer> memory;
    TensorView table;   // [positions, 2 frequencies]
  };
  View of(int64_t positions) const;   // at least so many

 private:
  Rope rope_;
  mutable std::mutex lock_;
  mutable View view_;
};

// Slots, with the prefix "attention" or, where the keys come from the encoder, "cross": .qkv or .query, .key,
// .value; the vectors .query_bias and .value_bias, where biases have names of their own; .out; .position_key and
// .position_query of RelativeKeys. Of the whole stack: attention.buckets; attention.positions,
// attention.positions_norm.
struct AttentionWeights {
  LinearWeights in;    // queries, keys and values; of the encoder's keys: queries
  LinearWeights keys;  // the encoder's keys and values
  LinearWeights out;
  std::shared_ptr<RopeTable> rope;
  ops::RelativePositions relative;   // without `place`
};

// positions: see load_positions.
AttentionWeights load_attention(Loader& load, const AttentionSpec& spec, int64_t width, int64_t encoder_width,
                                int64_t layer, TensorView positions);

// The stack's table of RelativeKeys [count, width] of the model's dtype, normed, farthest behind a query first (the
// reverse of the checkpoint's); it lives in `aside`.
TensorView load_positions(Loader& load, const RelativeKeys& spec, int64_t width, Memory& aside);

// a.qkv = h Win for the rows [begin, end).
void enter_attention(const AttentionWeights& weights, Space& a, int64_t begin, int64_t end);

// Of a group of sequences: their queries, and how many keys each has.
struct KeyView {
  Sequences sequences;        // of keys
  KeyStore* store = nullptr;  // where they are, or go first; null: this forward pass's own rows
  int64_t first = 0;          // the store's sequence of the group's first
};

// a.context = attention(a.qkv). rope: weights.rope's table, or empty; weights_out as ops::attention has it.
void attend(const AttentionSpec& spec, const Batch& batch, const Sequences& queries, const KeyView& keys, int64_t layer,
            const AttentionWeights& weights, TensorView rope, Space& a, float* weights_out);

// x += context Wout for the rows [begin, end).
void leave_attention(const AttentionWeights& weights, Space& a, int64_t begin, int64_t end);

}  // namespace fastplm
