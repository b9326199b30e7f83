// One stack's forward pass over packed sequences: walks sublayers and knows no threads.
#pragma once
#include "model/blocks/head.h"
#include "model/schedule.h"
#include "model/stack.h"

namespace fastplm {

struct StackCall {
  const StackSpec& spec;
  const StackWeights& weights;
  const std::vector<LoadedHead>* heads;   // null: none are wanted
  DType dtype;
  // Keys that are there before: the stack's own of earlier tokens, and the encoder's; null stores: none.
  KeyStore* own = nullptr;
  KeyStore* encoder = nullptr;
  int64_t first = 0;                      // the stores' sequence of the batch's first
  const int64_t* past = nullptr;          // [sequences] columns of the padded rows before, or null
  const int64_t* lengths = nullptr;       // [sequences] positions that rotary frequencies are chosen by, or null
  std::shared_ptr<const WaveTable::View> waves;   // of weights.waves, for reach_of() the batch; or null
};

// One more than the largest distance between a query and a key of its sequence.
int64_t reach_of(const StackCall& call, const Batch& batch);

// Bytes of workspace that forward() takes for this batch.
int64_t forward_bytes(const StackCall& call, const Batch& batch, bool alone, int threads);

// Writes what `out` names. alone: nothing else computes, so that the work is shared among threads.
// threads: as forward_bytes was told, whatever num_threads() has become since.
void forward(const StackCall& call, const Batch& batch, const Outputs& out, bool alone, int threads, Arena& arena);

}  // namespace fastplm
