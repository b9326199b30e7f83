// From ids to the first hidden state.
#pragma once
#include <span>

#include "model/blocks/activations.h"

namespace fastplm {

// The position of each token of one row of ids (or of `length` vectors, with ids empty), as EmbedSpec counts.
void count_positions(const EmbedSpec& spec, std::span<const int32_t> ids, int64_t length, int32_t* positions);

// Writes a.position_ids, a.x and a.h.
void embed_block(const Spec& spec, const Weights& weights, const Batch& batch, Activations& a);

}  // namespace fastplm
