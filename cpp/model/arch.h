// A model family: how its config becomes a Spec and what its checkpoints call each weight.
#pragma once
#include <span>
#include <string>

#include "core/value.h"
#include "model/spec.h"

namespace fastplm {

enum class Slot {
  kTokenEmbed,
  kPositionEmbed,
  kSegmentEmbed,
  kEmbedNorm,
  kAttentionNorm,
  kQkv,
  kQuery,
  kKey,
  kValue,
  kAttentionOut,
  kDistanceBias,
  kMlpNorm,
  kMlpUp,
  kMlpGate,
  kMlpDown,
  kFinalNorm,
  kPooler,
};

// Where a weight is found: `name` + ".weight" and, where the Spec has one, ".bias". {n} is the layer number.
// Several rows of one slot are alternatives; the first that the checkpoint has is used.
//   kQkv: queries, keys and values in one matrix; otherwise kQuery, kKey, kValue.
//   kMlpUp, gated: without kMlpGate, one matrix with the activated half first; otherwise kMlpGate is the
//   activated half.
struct WeightRow {
  Slot slot;
  const char* name;
};

struct Arch {
  const char* model_type;   // of config.json
  const char* prefix;       // what checkpoints of models with a head put before every name
  Spec (*spec)(const Value& config);
  std::span<const WeightRow> weights;
};

FASTPLM_EXPORT std::span<const Arch* const> architectures();   // the explicit list: arch/list.cpp
const Arch& arch_of(const std::string& model_type);   // throws kUnsupported, naming the known ones

// Shared by families.
Act act_from(const std::string& hf_name);       // throws kUnsupported
int64_t head_dim_of(int64_t width, int64_t heads);   // throws kFile unless heads divide width
double inverse_sqrt(int64_t n);
constexpr int64_t kMaxSize = 1 << 24;           // no dimension of a real model is larger

}  // namespace fastplm
