// What a Transformer is, as data: stacks of layers of sublayers. Filled in by arch/<family>.cpp, executed by
// forward.cpp and blocks/.
//
// Every axis is a closed set. A model that needs something new adds one alternative here and its one case in the
// block that owns the axis; family names never appear outside arch/.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "kernels/args.h"   // Act, NormKind

namespace fastplm {

struct NormSpec {
  NormKind kind;
  double eps;
  bool bias = true;
};

// --- attention ------------------------------------------------------------------------------------------

enum class Source : uint8_t { kSelf, kEncoder };   // whose hidden states give the keys

struct Visible {
  bool causal = false;
  int64_t window = -1;   // a token sees those at most this far away; < 0: all
  bool as_remembered = false;   // and those at most as far behind as hidden states are remembered
};

// What attention adds to, or does to, its scores.
struct Rope {
  // Of a sequence with more than `past` positions: these frequencies; or, if there are none, those of the base
  // theta (factor positions / past - factor + 1)^(d / (d - 2)), with d the number of rotated values.
  struct Longer {
    int64_t past;
    std::vector<float> frequencies;
    double theta = 1.0, factor = 1.0;
    bool operator==(const Longer&) const = default;
  };
  std::vector<float> frequencies;   // one for each pair of rotated values; the rest of a head stays as it is
  double factor = 1.0;              // of cosine and sine
  std::optional<Longer> longer = {};
  bool operator==(const Rope&) const = default;
};
struct Buckets {   // learned for each head and bucketed distance; the stack owns the table, or each layer
  int64_t count, max_distance;
  bool both_ways;
  bool each_layer = false;
};
struct RelativeKeys {   // queries times keys of positions, and queries of positions times keys (arXiv:2006.03654)
  int64_t count;            // of positions: half of them behind a query; the stack owns their table
  int64_t buckets;          // distances share positions from buckets / 2 on, up to max_distance; 0: each has its own
  int64_t max_distance;
  bool keys, queries;       // which of the two
  bool shared;              // made by the projections of the tokens' keys and queries, else by their own
  bool key_bias = true;     // of their own projection
  std::optional<NormSpec> norm;   // of the table
};
struct RelativeWaves {   // queries times keys made of the waves of each distance, and of whether a key's segment is
                         // another (arXiv:1901.02860, arXiv:1906.08237)
  int64_t furthest = 0;    // > 0: larger distances count as this one
  bool halves = false;     // the second half of a batch is read backwards: the caller says which sequences
};
using ScoreBias = std::variant<std::monostate, Rope, Buckets, RelativeKeys, RelativeWaves>;

// An RMSNorm of queries and of keys, before they are rotated: of each head, or of all heads of a token together.
struct QkNorm {
  double eps;
  bool whole_row = false;
};

struct AttentionSpec {
  int64_t heads, kv_heads, head_dim;
  double scale;
  bool qkv_bias = true, out_bias = true;
  std::optional<QkNorm> qk_norm = {};
  double softcap = 0.0;   // > 0: scaled scores become softcap tanh(score / softcap)
  Visible see;
  Source keys = Source::kSelf;
  ScoreBias score;

  int64_t inner() const { return heads * head_dim; }
  int64_t kv_inner() const { return kv_heads * head_dim; }
};

// --- the other operation of a sublayer --------------------------------------------------------------------

struct MlpSpec {
  int64_t width;
  Act act;
  bool gated = false;
  bool bias = true, down_bias = bias;   // of the first matrices, and of the last
};

// A convolution over neighbouring tokens of the layer's input, of odd length, and its activation.
struct ConvSpec {
  int64_t length;
  Act act;
};

// --- layers and stacks ------------------------------------------------------------------------------------

// x = after(x + the sum over branches of factor inner(op(before(x)))); all branches read x before it changes, but for a
// convolution, which reads the layer's input.
struct Branch {
  std::optional<NormSpec> before;
  std::variant<AttentionSpec, MlpSpec, ConvSpec> op;
  std::optional<NormSpec> inner = {};
  double factor = 1.0;

  bool adds_itself() const { return !inner && factor == 1.0; }   // the op's result to x, as it is
};
struct Sublayer {
  std::vector<Branch> branches;
  std::optional<NormSpec> after;
};
using LayerSpec = std::vector<Sublayer>;

// Sines and cosines that stand for learned positions: of position p and place i, with d the width,
enum class Waves : uint8_t {
  kNone,
  kHalves,   // sin(p / 10000^(2i / d)), then the cosines, if the checkpoint has no table
  kTurns,    // the same in turn, a sine and its cosine
  kSteps,    // sin(p / 10000^(i / (d/2 - 1))), then the cosines; zeros for padding
};

// A table of position vectors. Positions begin at `first`; tokens equal to padding_id keep it as their position
// and are not counted.
struct LearnedPositions {
  int64_t count, first = 0;
  std::optional<int64_t> padding_id = {};
  Waves waves = Waves::kNone;
  bool of_shown = false;   // tokens that the mask hides are not counted either; given positions begin at `first` too
};

struct EmbedSpec {   // the sum of its tables, then the norm and the projection to the stack's width
  // kBeforePositions: their table has the stack's width, and is added to what was projected.
  enum class Project : uint8_t { kNone, kBeforePositions, kBeforeNorm, kAfterNorm };

  int64_t vocab, segments = 0;
  std::optional<LearnedPositions> positions;
  double scale = 1.0;   // of the token's row
  bool scales_given = false;   // and of an input vector in its place
  std::optional<NormSpec> norm;
  int64_t languages = 0;   // of a table that is added where the caller names each token's language
  bool segments_are_tokens = false;   // segment ids are of the table of tokens, and none are added unless given
  int64_t width = 0;    // of the tables; 0: the stack's
  Project project = Project::kNone;
  bool project_bias = true;
  bool target = false;  // a vector of its own stands for a token that is to be predicted (batch.h: Targets)
};

// What becomes of a token that the mask hides, where a head reads its state nevertheless.
enum class Hidden : uint8_t {
  kToken,   // what becomes of any other that nobody sees
  kZero,    // its states are 0
  kBlind,   // it begins as 0 and sees all tokens alike
};

struct StackSpec {
  int64_t width;
  EmbedSpec embed;
  std::vector<LayerSpec> kinds;            // the different layers there are
  std::vector<int> kind_of, weights_of;    // of each layer; equal weights_of: shared weights
  std::optional<NormSpec> last;            // after the layers
  int64_t projected = 0;                   // width of a projection behind them, without a bias; 0: there is none
  int64_t max_length = 0;                  // tokens of one sequence; 0: no limit
  Hidden hidden = Hidden::kToken;

  int64_t layers() const { return int64_t(kind_of.size()); }
  int64_t embed_width() const { return embed.width ? embed.width : width; }   // of input vectors
  int64_t out_width() const { return projected ? projected : width; }         // of the last hidden states
  const LayerSpec& layer(int64_t n) const { return kinds[size_t(kind_of[size_t(n)])]; }
};

struct Spec {
  std::optional<StackSpec> encoder, decoder;
};

// Calls fn(branch's spec) for each attention (or MLP, or convolution) of the stack's kinds of layers.
template <class Op, class Fn>
void for_each(const StackSpec& stack, const Fn& fn) {
  for (const LayerSpec& layer : stack.kinds) {
    for (const Sublayer& sublayer : layer) {
      for (const Branch& branch : sublayer.branches) {
        if (const Op* op = std::get_if<Op>(&branch.op)) fn(*op);
      }
    }
  }
}

// What attention adds to its scores by a Score, in all layers of the stack alike; or null.
template <class Score>
const Score* score_of(const StackSpec& stack) {
  const Score* found = nullptr;
  for_each<AttentionSpec>(stack, [&](const AttentionSpec& attention) {
    if (const auto* own = std::get_if<Score>(&attention.score)) found = own;
  });
  return found;
}

// Sequences of equal numbers have their keys rotated alike, as far as their tokens are the same: 0 for those that no
// Rope calls longer. Never falls with the length.
inline int64_t rotation_of(const StackSpec& stack, int64_t length) {
  int64_t rotation = 0;
  for_each<AttentionSpec>(stack, [&](const AttentionSpec& attention) {
    const auto* rope = std::get_if<Rope>(&attention.score);
    if (!rope || !rope->longer || length <= rope->longer->past) return;
    rotation = std::max(rotation, rope->longer->frequencies.empty() ? length : rope->longer->past);
  });
  return rotation;
}

// --- heads ------------------------------------------------------------------------------------------------

// What is made of the last stack's hidden states, step by step.
struct HeadStep {
  enum Kind : uint8_t {
    kFirst,     // each sequence's first row; where the mask hides that, what becomes of it
    kFirstShown,   // the first row that the mask shows
    kGather,    // the row of each sequence that the caller names
    kMean,      // the mean of each sequence's rows
    kDense,     // a linear layer and an activation
    kNorm,
    kScale,
    kVocab,     // a projection to the vocabulary: its own, or by the token embeddings if the model ties them
  } kind;
  const char* name = nullptr;   // of the weight
  const char* older = nullptr;  // of the weight in other checkpoints; of kNorm and kVocab
  const char* bias = nullptr;   // of the bias; null: `name` + ".bias" for kDense, none for kVocab
  bool quiet_bias = false;      // without the bias it is zero, and no word of it
  const char* tied_bias = nullptr;   // of the one that stands for it if the model ties its projection
  int64_t width = 0;            // of the output; 0: as the input
  Act act = Act::kNone;
  bool has_bias = true;
  NormSpec norm{};
  double factor = 1.0;
};

struct HeadOutput {
  const char* name;             // as transformers calls the result
  std::vector<HeadStep> steps;
  bool optional = false;        // left out where the caller wants none

  bool per_sequence() const {
    return std::ranges::any_of(steps, [](const HeadStep& s) { return s.kind <= HeadStep::kMean; });
  }
  bool first_row() const { return steps.front().kind == HeadStep::kFirst; }
};

}  // namespace fastplm
