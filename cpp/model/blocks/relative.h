// Keys and queries of relative positions: they do not depend on the input, so each layer's are made once, at load.
#pragma once
#include "model/loader.h"
#include "ops/attention.h"

namespace fastplm {

// Slots: attention.positions and attention.positions_norm of the whole stack; attention.position_key and
// attention.position_query of a layer.

// The stack's table [count, width] f32, normed, farthest behind a query first (the reverse of the checkpoint's); it
// lives in `aside`. Empty where weights are only noted.
TensorView load_positions(Loader& load, const RelativeKeys& spec, int64_t width, Memory& aside);

// A layer's, without `place`. in: its queries, keys and values; positions: of load_positions.
ops::RelativePositions load_relative(Loader& load, const AttentionSpec& attention, const RelativeKeys& spec,
                                     const LinearWeights& in, TensorView positions, int64_t width, int64_t layer);

}  // namespace fastplm
