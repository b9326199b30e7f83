// A convolution over neighbouring tokens, as a matrix: the rows that it covers, side by side, times its weight.
#pragma once
#include "model/blocks/space.h"
#include "model/loader.h"

namespace fastplm {

// Slot: conv.
struct ConvWeights {
  LinearWeights in;   // [width, width length]
};

ConvWeights load_conv(Loader& load, const ConvSpec& spec, int64_t width);

// a.unfolded = for each value of a.h, what it and its neighbours are: of whole sequences. Beyond a sequence, and where
// batch.index leaves a gap, there are zeros.
void unfold(const ConvSpec& spec, const Batch& batch, Space& a);

// to = act(a.unfolded W) for the rows [begin, end), plus `residual` if it is not empty.
void conv_block(const ConvSpec& spec, const ConvWeights& weights, Space& a, int64_t begin, int64_t end,
                TensorView residual, TensorView to);

}  // namespace fastplm
