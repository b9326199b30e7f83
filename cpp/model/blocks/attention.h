// Self-attention, from the residual stream back to it, in three steps: the first and the last work on any
// rows, the middle one on whole sequences.
#pragma once
#include "model/blocks/activations.h"

namespace fastplm {

// qkv = h Wqkv for the rows [begin, end).
void project_qkv(const LayerWeights& weights, Activations& a, int64_t begin, int64_t end);

// context = attention(qkv). `rope` is the layer's table, or empty; `weights_out` as ops::attention has it.
void attend(const AttentionSpec& spec, const Batch& batch, TensorView rope, Activations& a, TensorView weights_out);

// x += context Wout for the rows [begin, end).
void project_context(const LayerWeights& weights, Activations& a, int64_t begin, int64_t end);

}  // namespace fastplm
