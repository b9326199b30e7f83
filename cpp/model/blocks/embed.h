// From ids to the first hidden state.
#pragma once
#include <span>

#include "model/blocks/space.h"
#include "model/loader.h"

namespace fastplm {

// Slots: embed.tokens, embed.positions (but for positions made of waves), embed.segments, embed.languages, embed.norm,
// embed.project, embed.target.
struct EmbedWeights {
  TokenTable tokens;
  TensorView segments, positions, languages, target;   // f32, or empty
  NormWeights norm;
  LinearWeights project;
};

// width: of the stack.
EmbedWeights load_embed(Loader& load, const EmbedSpec& spec, int64_t width);

// The position of each token of one row of ids (or of `length` vectors, with ids empty), as EmbedSpec counts, behind
// `past` tokens that went before.
void count_positions(const EmbedSpec& spec, std::span<const int32_t> ids, int64_t length, int64_t past,
                     int32_t* positions);

// Writes a.position_ids and a.x; of a spec that ends with a norm, a.h too. past: [sequences] tokens before, or null.
void embed_block(const EmbedSpec& spec, const EmbedWeights& weights, const Batch& batch, const int64_t* past, Space& a);

}  // namespace fastplm
