// What a Transformer is, as data: stacks of layers of sublayers. Filled in by arch/<family>.cpp, executed by
// forward.cpp and blocks/.
//
// Every axis is a closed set. A model that needs something new adds one alternative here and its one case in the
// block that owns the axis; family names never appear outside arch/.
#pragma once
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
};

// What attention adds to, or does to, its scores.
struct Rope {
  std::vector<float> frequencies;   // one for each pair of rotated values; the rest of a head stays as it is
  double factor = 1.0;              // of cosine and sine
  bool operator==(const Rope&) const = default;
};
struct Buckets {   // learned for each head and bucketed distance; the stack owns the table
  int64_t count, max_distance;
  bool both_ways;
};
using ScoreBias = std::variant<std::monostate, Rope, Buckets>;

struct AttentionSpec {
  int64_t heads, kv_heads, head_dim;
  double scale;
  bool qkv_bias = true, out_bias = true;
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
  bool bias = true;
};

// --- layers and stacks ------------------------------------------------------------------------------------

// x = after(x + the sum over branches of op(before(x))); all branches read x before it changes.
struct Branch {
  std::optional<NormSpec> before;
  std::variant<AttentionSpec, MlpSpec> op;
};
struct Sublayer {
  std::vector<Branch> branches;
  std::optional<NormSpec> after;
};
using LayerSpec = std::vector<Sublayer>;

// A table of position vectors. Positions begin at `first`; tokens equal to padding_id keep it as their position
// and are not counted.
struct LearnedPositions {
  int64_t count, first = 0;
  std::optional<int64_t> padding_id;
};

struct EmbedSpec {   // the sum of its tables, then the norm
  int64_t vocab, segments = 0;
  std::optional<LearnedPositions> positions;
  double scale = 1.0;   // of the token's row
  std::optional<NormSpec> norm;
};

struct StackSpec {
  int64_t width;
  EmbedSpec embed;
  std::vector<LayerSpec> kinds;            // the different layers there are
  std::vector<int> kind_of, weights_of;    // of each layer; equal weights_of: shared weights
  std::optional<NormSpec> last;            // after the layers
  int64_t max_length = 0;                  // tokens of one sequence; 0: no limit

  int64_t layers() const { return int64_t(kind_of.size()); }
  const LayerSpec& layer(int64_t n) const { return kinds[size_t(kind_of[size_t(n)])]; }
};

struct Spec {
  std::optional<StackSpec> encoder, decoder;
};

// Calls fn(branch's spec) for each attention (or each MLP) of the stack's kinds of layers.
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

// --- heads ------------------------------------------------------------------------------------------------

// What is made of the last stack's hidden states, step by step.
struct HeadStep {
  enum Kind : uint8_t {
    kFirst,     // each sequence's first row
    kGather,    // the row of each sequence that the caller names
    kDense,     // a linear layer and an activation
    kNorm,
    kScale,
    kVocab,     // a projection to the vocabulary: its own, or by the token embeddings if the model ties them
  } kind;
  const char* name = nullptr;   // of the weight; may be null for kVocab that is always tied
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

  bool per_sequence() const { return steps.front().kind <= HeadStep::kGather; }
};

}  // namespace fastplm
