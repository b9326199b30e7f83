// A model family: how its config becomes a Spec, what its checkpoints call each weight, which classes it has.
#pragma once
#include <array>
#include <cmath>
#include <span>
#include <string>

#include "core/value.h"
#include "model/spec.h"

namespace fastplm {

// How a weight is stored.
enum class Load : uint8_t {
  kAsIs,
  kTransposed,   // [in, out]
  kByHead,       // of attention.qkv: the rows of one head's query, key and value, then the next head's
  kUpFirst,      // of mlp.gate_up: the rows of mlp.up, then those of mlp.gate
  kLessOne,      // of a norm: one is added
};

// `slot` is the block's own name of a weight: "embed.tokens", "attention.query", "cross.out", "mlp.up", "last", ...
// (blocks/*.h). It is found at `name` + ".weight" and, where the Spec has one, ".bias", or for a slot that is a vector
// at `name`; {n} is the layer number. Several rows of one slot are alternatives, transformers' own first; the first
// that the checkpoint has is used. So are slots that hold the same matrices as one or apart.
//
// embed.tokens is the stack's own table of tokens, embed.shared the table that config.json ties it and the projection
// to the vocabulary to. A family that has no row of that slot shares embed.tokens. As in transformers, a tensor of its
// own comes first, tied or not; what is missing stands for what it is tied to, either way round.
struct WeightRow {
  const char* slot;
  const char* name;
  Load load = Load::kAsIs;
  bool bare = false;  // found at `name` itself, with heads apart: [.., heads, head_dim]
};

// Of a family of two stacks, what a class runs. kDecoder: without its attention over an encoder.
enum class Stacks : uint8_t { kAll, kEncoder, kDecoder };

// Which row of each sequence a head's kGather takes.
enum class Pick : uint8_t {
  kNone,
  kLastToken,   // the last that is not padding
  kLastEnd,     // the last eos_token_id of input_ids
  kNamed,       // mc_token_ids, or the last
  kSummary,     // as config.json's summary_type says: the first or the last, hidden or not
};

struct ModelClass {
  const char* name;                     // in transformers; a * stands for Arch::stem
  std::array<const char*, 4> arguments;   // of a call, by position, as transformers has them: lists of names
  std::vector<HeadOutput> (*head)(const Value& config) = nullptr;
  Pick pick = Pick::kNone;
  Stacks stacks = Stacks::kAll;
  const char* prefix = nullptr;         // where it is not the family's
  bool empty_cross = false;             // with attentions its results have cross_attentions too, which are empty
  const char* also = nullptr;           // another task it serves, as a class name ends: AutoModelForMaskedLM of BART
  const char* refused = nullptr;        // why it is not run: transformers has it, and this engine does not
};

// A setting of config.json by another name, which wins; and what transformers' config says where the file says nothing.
struct Alias {
  const char *name, *own;
};
struct Default {
  const char* name;
  int64_t value;
};

enum class Tie : uint8_t { kIfSaid, kUnlessSaid, kAlways };  // the projection to the token embeddings: by config.json

// Where transformers' calls of a family are not like those of most.
struct Manners {
  bool shifts_input_ids = false;  // a decoder that is given nothing gets them, one to the right
  bool wraps_last_id = false;  // what is shifted begins with a row's last id that is not padding
  bool labels_stop_cache = false;  // none is made in a call with labels
  bool keeps_cache_back = false;  // without use_cache, one that was given is filled and not returned
  bool counts_encoder_layers = false;  // output_hidden_states numbers a decoder's states by the encoder's layers
  bool states_all_or_none = false;  // output_hidden_states is a truth value, not numbers
  bool span_loss_by_count = false;  // num_items_in_batch divides the loss of spans too
  bool token_loss_by_mask = false;  // labels of tokens that the mask hides count for nothing
  bool masked_loss_by_count = false;  // and that of masked tokens
  bool labels_choose_loss = false;  // without problem_type their form chooses the loss of classes, not their dtype
  bool mask_by_lengths = false;  // without attention_mask, `lengths` or the padding id hides what is behind a text
  bool labels_stand_still = false;  // those of a causal language model are of the tokens where they stand
};

struct Arch {
  const char* model_type;  // of config.json
  const char* prefix;  // what checkpoints of models with a head put before every name
  Spec (*spec)(const Value& config);
  std::span<const WeightRow> encoder, decoder;  // weights of each stack
  std::span<const ModelClass> classes;
  const char* keys;  // the settings of config.json that spec and heads read; Python passes on no other
  std::span<const Alias> aliases = {};
  std::span<const Default> defaults = {};
  Tie tie = Tie::kUnlessSaid;
  Manners manners = {};
  const char* stem = "";  // of class names, where families share them
};

FASTPLM_EXPORT std::span<const Arch* const> architectures();  // the explicit list: arch/list.cpp
FASTPLM_EXPORT const Arch& arch_of(const std::string& model_type);  // throws kUnsupported, naming the known ones
FASTPLM_EXPORT std::string name_of(const Arch& arch, const ModelClass& known);  // in transformers
const ModelClass& class_of(const Arch& arch, const std::string& name);  // throws kUnsupported

// Shared by families.
constexpr int64_t kMaxSize = 1 << 24;  // no dimension of a real model is larger
constexpr const char* kTokens = "input_ids attention_mask token_type_ids position_ids inputs_embeds";
constexpr const char* kSpans = "start_positions end_positions";
// Of classes that have them by position; others take them by name.
constexpr const char* kSwitches = "output_attentions output_hidden_states return_dict";
constexpr const char* kEncoderStates = "encoder_hidden_states encoder_attention_mask";
Act act_from(const std::string& hf_name);  // throws kUnsupported
int64_t head_dim_of(int64_t width, int64_t heads);  // throws kFile unless heads divide width
// How many tokens a table of so many positions has room for, if they begin past the padding id. Throws kFile for none.
int64_t after_padding(int64_t positions, int64_t padding);
double inverse_sqrt(int64_t n);
int64_t labels_of(const Value& config);  // num_labels
LayerSpec post_norm(const AttentionSpec& attention, const MlpSpec& mlp, const NormSpec& norm);
LayerSpec pre_norm(const AttentionSpec& attention, const MlpSpec& mlp, const NormSpec& norm);
std::vector<HeadOutput> tanh_pooler(const Value& config);  // "pooler_output": tanh(pooler.dense(first row))
std::vector<HeadOutput> span_head(const Value& config);  // "logits" [tokens, 2]: qa_outputs
std::vector<HeadOutput> token_head(const Value& config);  // "logits" [tokens, labels]: classifier
std::vector<HeadOutput> pooled_head(const Value& config);  // "logits" [labels]: tanh_pooler, then classifier
std::vector<HeadOutput> choice_head(const Value& config);  // the same with one label
std::vector<HeadOutput> first_row_head(const Value& config);  // "logits" [labels]: classifier.dense, .out_proj
// "logits" [tokens, vocab]: lm_head of RoBERTa. eps: layer_norm_eps where config.json has none.
std::vector<HeadOutput> gelu_lm_head(const Value& config, double eps);

// The steps of transformers' SequenceSummary: one row, projected and activated as the config's summary_* say. type:
// "first" or "last" (which the class picks); labels: of a projection to labels; 0: it keeps the width. Throws
// kUnsupported for another summary.
std::vector<HeadStep> summary(const Value& config, const char* name, const char* type, const char* activation,
                              int64_t labels);
Spec decoder_if_said(const Value& config, Spec spec);  // of an encoder: is_decoder makes a decoder of it
std::vector<int> one_kind(int64_t layers);  // 0, 0, 0, ...
std::vector<int> own_weights(int64_t layers);  // 0, 1, 2, ...

}  // namespace fastplm
