// A model family: how its config becomes a Spec, what its checkpoints call each weight, which classes it has.
#pragma once
#include <cmath>
#include <span>
#include <string>

#include "core/value.h"
#include "model/spec.h"

namespace fastplm {

// How a weight is stored.
enum class Load : uint8_t {
  kAsIs,
  kTransposed,   // [in, out]: Conv1D of GPT-2
  kByHead,       // of queries, keys and values: the three of each head together
};

// `slot` is the block's own name of a weight: "embed.tokens", "attention.query", "cross.out", "mlp.up", "last", ...
// (blocks/*.h). It is found at `name` + ".weight" and, where the Spec has one, ".bias", or for a slot that is a vector at
// `name`; {n} is the layer number.
// Several rows of one slot are alternatives; the first that the checkpoint has is used.
struct WeightRow {
  const char* slot;
  const char* name;
  Load load = Load::kAsIs;
};

enum class Stacks : uint8_t { kAll, kEncoder };

struct ModelClass {
  const char* names;   // in transformers, space-separated; see Arch::stem
  std::vector<HeadOutput> (*head)(const Value& config) = nullptr;
  Stacks stacks = Stacks::kAll;
  const char* prefix = nullptr;   // where it is not the family's
};

struct Arch {
  const char* model_type;   // of config.json
  const char* prefix;       // what checkpoints of models with a head put before every name
  Spec (*spec)(const Value& config);
  std::span<const WeightRow> encoder, decoder;   // weights of each stack
  std::span<const ModelClass> classes;
  bool tied = true;         // unless config.json says otherwise (tie_word_embeddings)
  const char* stem = "";    // of class names: stands for * in them
};

FASTPLM_EXPORT std::span<const Arch* const> architectures();   // the explicit list: arch/list.cpp
FASTPLM_EXPORT const Arch& arch_of(const std::string& model_type);   // throws kUnsupported, naming the known ones
FASTPLM_EXPORT std::vector<std::string> names_of(const Arch& arch, const ModelClass& known);   // in transformers
const ModelClass& class_of(const Arch& arch, const std::string& name);   // throws kUnsupported

// Shared by families.
constexpr int64_t kMaxSize = 1 << 24;                // no dimension of a real model is larger
Act act_from(const std::string& hf_name);            // throws kUnsupported
int64_t head_dim_of(int64_t width, int64_t heads);   // throws kFile unless heads divide width
double inverse_sqrt(int64_t n);
int64_t labels_of(const Value& config);              // num_labels, or as many as id2label names
std::vector<float> rope_frequencies(double theta, int64_t dims);
LayerSpec post_norm(const AttentionSpec& attention, const MlpSpec& mlp, const NormSpec& norm);
LayerSpec pre_norm(const AttentionSpec& attention, const MlpSpec& mlp, const NormSpec& norm);
std::vector<HeadOutput> tanh_pooler(const Value& config);   // "pooler_output": tanh(pooler.dense(first row))
std::vector<HeadOutput> span_head(const Value& config);     // "logits" [tokens, 2]: qa_outputs
std::vector<HeadOutput> token_head(const Value& config);     // "logits" [tokens, labels]: classifier
std::vector<HeadOutput> pooled_head(const Value& config);    // "logits" [labels]: tanh_pooler, then classifier
std::vector<HeadOutput> choice_head(const Value& config);     // the same with one label
std::vector<HeadOutput> first_row_head(const Value& config);   // "logits" [labels]: classifier.dense, .out_proj
std::vector<HeadOutput> gelu_lm_head(const Value& config);      // "logits" [tokens, vocab]: lm_head of RoBERTa

// The steps of transformers' SequenceSummary: the first row, projected and activated as the config's summary_* say.
// labels: of a projection to labels; 0: it keeps the width. Throws kUnsupported for another summary.
std::vector<HeadStep> summary(const Value& config, const char* name, const char* activation, int64_t labels);
std::vector<int> one_kind(int64_t layers);           // 0, 0, 0, ...
std::vector<int> own_weights(int64_t layers);        // 0, 1, 2, ...

}  // namespace fastplm
