// GPT-Neo: a pre-norm decoder with learned positions and unscaled scores, whose layers see all tokens or the last few.
// Source: transformers/models/gpt_neo/{configuration,modeling}_gpt_neo.py.
#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

enum Kind : int { kGlobal, kLocal };

static int kind_of(const Value& name, const char* where) {
  const std::string& kind = name.string(where);
  if (kind == "global") return kGlobal;
  if (kind == "local") return kLocal;
  fail(ErrorKind::kFile, "\"", where, "\" holds \"", kind, "\"; expected global or local");
}

// attention_layers: a name for each; or else attention_types: lists of names, each with how many times it comes, such
// as [[["global", "local"], 12]].
static std::vector<int> kinds_of(const Value& c, int64_t layers) {
  std::vector<int> kinds;
  const auto add = [&](int64_t times, const std::vector<int>& names) {
    for (int64_t i = 0; i < times && int64_t(kinds.size()) <= layers; ++i) {
      kinds.insert(kinds.end(), names.begin(), names.end());
    }
  };
  const char* where = "attention_types";
  const Value *all = c.find("attention_layers"), *types = c.find(where);
  if (all) {
    for (const Value& name : all->array("attention_layers")) kinds.push_back(kind_of(name, "attention_layers"));
  } else if (!types) {
    add(12, {kGlobal, kLocal});
  }
  for (const Value& item : types && !all ? types->array(where) : Value::Array()) {
    const Value::Array& pair = item.array(where);
    if (pair.size() != 2) fail(ErrorKind::kFile, "\"attention_types\" holds a list of ", pair.size(), "; expected 2");
    std::vector<int> names;
    for (const Value& name : pair[0].array(where)) names.push_back(kind_of(name, where));
    add(pair[1].integer(where), names);
  }
  if (int64_t(kinds.size()) != layers) {
    fail(ErrorKind::kFile, "config.json names ", kinds.size(), " layers by their attention; \"num_layers\" is ",
         layers);
  }
  return kinds;
}

static Spec gpt_neo(const Value& c) {
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_heads", 16, 1, kMaxSize);
  const int64_t layers = c.i_in("num_layers", 24, 0, kMaxSize), head_dim = head_dim_of(width, heads);
  const int64_t positions = c.i_in("max_position_embeddings", 2048, 1, kMaxSize);
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_epsilon", 1e-5)};
  AttentionSpec global{heads, heads, head_dim, 1.0, false};
  global.see.causal = true;
  AttentionSpec local = global;
  local.see.window = c.i_in("window_size", 256, 1, kMaxSize) - 1;
  const MlpSpec mlp{c.i_in("intermediate_size", 4 * width, 1, kMaxSize),
                    act_from(c.s("activation_function", "gelu_new"))};
  return {.encoder = {},
          .decoder =
              StackSpec{.width = width,
                        .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize), .positions = LearnedPositions{positions}},
                        .kinds = {pre_norm(global, mlp, norm), pre_norm(local, mlp, norm)},
                        .kind_of = kinds_of(c, layers),
                        .weights_of = own_weights(layers),
                        .last = norm,
                        .max_length = positions}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "wte"},
    {"embed.positions", "wpe"},
    {"attention.before", "h.{n}.ln_1"},
    {"attention.query", "h.{n}.attn.attention.q_proj"},
    {"attention.key", "h.{n}.attn.attention.k_proj"},
    {"attention.value", "h.{n}.attn.attention.v_proj"},
    {"attention.out", "h.{n}.attn.attention.out_proj"},
    {"mlp.before", "h.{n}.ln_2"},
    {"mlp.up", "h.{n}.mlp.c_fc"},
    {"mlp.down", "h.{n}.mlp.c_proj"},
    {"last", "ln_f"},
};

using Step = HeadStep;
static std::vector<HeadOutput> vocabulary(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "lm_head"}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {
      {"logits", {{Step::kGather}, {.kind = Step::kDense, .name = "score", .width = labels_of(c), .has_bias = false}}}};
}

static constexpr const char* kCall = "input_ids cache attention_mask token_type_ids position_ids inputs_embeds";
static constexpr const char* kCached = "use_cache output_attentions output_hidden_states return_dict";
static constexpr ModelClass kClasses[] = {
    {"GPTNeoModel", {kCall, kCached}},
    {"GPTNeoForCausalLM", {kCall, "labels", kCached, "logits_to_keep"}, vocabulary},
    {"GPTNeoForSequenceClassification", {kCall, "labels", kCached}, sequence_classes, Pick::kLastToken},
    {"GPTNeoForTokenClassification", {kCall, "labels", kCached}, token_head},
    {"GPTNeoForQuestionAnswering", {kTokens, kSpans, kSwitches}, span_head},
};
static constexpr Alias kAliases[] = {{"num_hidden_layers", "num_layers"}, {"num_attention_heads", "num_heads"}};
static constexpr Default kDefaults[] = {{"bos_token_id", 50256}, {"eos_token_id", 50256}};

extern const Arch kGptNeo;
const Arch kGptNeo{
    .model_type = "gpt_neo",
    .prefix = "transformer.",
    .spec = gpt_neo,
    .encoder = {},
    .decoder = kWeights,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_layers num_heads intermediate_size max_position_embeddings window_size "
        "attention_types attention_layers activation_function layer_norm_epsilon num_labels tie_word_embeddings "
        "initializer_range",
    .aliases = kAliases,
    .defaults = kDefaults};

}  // namespace fastplm
