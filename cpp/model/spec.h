// What a Transformer is, as data. Filled in by arch/<name>.cpp, executed by blocks/.
//
// Every axis is a closed set. A model that needs something new adds one alternative here and its one case in
// blocks/; architecture names never appear outside arch/. Decoders add a stack kind (causal attention, cross
// attention) and heads add a list of steps; both belong here, beside what they extend.
#pragma once
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "kernels/args.h"   // Act, NormKind

namespace fastplm {

enum class NormPlace { kPre, kPost };

// A table of position vectors. Positions begin at `first`; with skip_padding, tokens equal to padding_id keep
// position padding_id and are not counted.
struct LearnedPositions {
  int64_t count, first = 0;
  bool skip_padding = false;
  int64_t padding_id = 0;
};

// What attention adds to (or does to) its scores.
struct NoBias {};
struct Rope {
  double theta;
};
struct BucketBias {
  int64_t buckets, max_distance;
};   // learned per head and bucketed distance, shared by the layers
using ScoreBias = std::variant<NoBias, Rope, BucketBias>;

struct EmbedSpec {
  int64_t vocab;
  int64_t segments = 0;
  std::optional<LearnedPositions> positions;
  bool norm = false;
};

struct NormSpec {
  NormKind kind;
  NormPlace place;
  double eps;
  bool bias = true;
};

struct AttentionSpec {
  int64_t heads, head_dim;
  double scale;
  bool bias = true;
  ScoreBias score = NoBias{};
  int64_t window = -1;   // a token sees those at most this far away; < 0: all
};

struct MlpSpec {
  int64_t width;
  Act act;
  bool gated = false;
  bool bias = true;
};

struct Spec {
  int64_t width, layers;
  EmbedSpec embed;
  NormSpec norm;
  std::vector<AttentionSpec> attention;   // layer n uses attention[n % size]
  MlpSpec mlp;
  bool first_attention_norm = true;   // false: with kPre, layer 0 attends to the embeddings as they are
  bool final_norm = false;
  bool pooler = false;        // tanh(dense(first token))
  int64_t max_length = 0;     // tokens of one sequence; 0: no limit

  const AttentionSpec& attention_of(int64_t layer) const { return attention[size_t(layer) % attention.size()]; }
};

}  // namespace fastplm
