// GPT-2: a pre-norm decoder with learned positions; its matrices are stored transposed.
// Source: transformers/models/gpt2/{configuration,modeling}_gpt2.py.
#include "model/arch.h"

namespace fastplm {

static Spec gpt2(const Value& c) {
  const int64_t width = c.i_in("n_embd", 768, 1, kMaxSize), heads = c.i_in("n_head", 12, 1, kMaxSize);
  const int64_t layers = c.i_in("n_layer", 12, 0, kMaxSize), positions = c.i_in("n_positions", 1024, 1, kMaxSize);
  const int64_t head_dim = head_dim_of(width, heads);
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_epsilon", 1e-5)};
  const MlpSpec mlp{c.i_in("n_inner", 4 * width, 1, kMaxSize), act_from(c.s("activation_function", "gelu_new"))};
  AttentionSpec attention{heads, heads, head_dim, c.b("scale_attn_weights", true) ? inverse_sqrt(head_dim) : 1.0};
  attention.see.causal = true;
  std::vector<LayerSpec> kinds = {pre_norm(attention, mlp, norm)};
  std::vector<int> kind_of = one_kind(layers);
  if (c.b("scale_attn_by_inverse_layer_idx", false)) {   // each layer has a scale of its own
    kinds.clear();
    kind_of = own_weights(layers);
    for (int64_t n = 0; n < layers; ++n) {
      AttentionSpec scaled = attention;
      scaled.scale /= double(n + 1);
      kinds.push_back(pre_norm(scaled, mlp, norm));
    }
  }
  return {.encoder = {},
          .decoder =
              StackSpec{.width = width,
                        .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize), .positions = LearnedPositions{positions}},
                        .kinds = kinds,
                        .kind_of = kind_of,
                        .weights_of = own_weights(layers),
                        .last = norm,
                        .max_length = positions}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "wte"},
    {"embed.positions", "wpe"},
    {"attention.before", "h.{n}.ln_1"},
    {"attention.qkv", "h.{n}.attn.c_attn", Load::kTransposed},
    {"attention.out", "h.{n}.attn.c_proj", Load::kTransposed},
    {"mlp.before", "h.{n}.ln_2"},
    {"mlp.up", "h.{n}.mlp.c_fc", Load::kTransposed},
    {"mlp.down", "h.{n}.mlp.c_proj", Load::kTransposed},
    {"last", "ln_f"},
};

using Step = HeadStep;
static std::vector<Step> score(const char* name, int64_t classes, bool bias) {
  return {{Step::kGather}, {.kind = Step::kDense, .name = name, .width = classes, .has_bias = bias}};
}
static const Step kVocabulary{.kind = Step::kVocab, .name = "lm_head"};

static std::vector<HeadOutput> causal_lm(const Value&) { return {{"logits", {kVocabulary}}}; }
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {{"logits", score("score", labels_of(c), false)}};
}
static void check_summary(const Value& c) {
  const std::string type = c.s("summary_type", "cls_index"), act = c.s("summary_activation", "");
  if (type != "cls_index") fail(ErrorKind::kUnsupported, "summary_type is \"", type, "\"; expected \"cls_index\"");
  if (!act.empty()) fail(ErrorKind::kUnsupported, "summary_activation is \"", act, "\"; expected none");
  for (const char* name : {"summary_use_proj", "summary_proj_to_labels"}) {
    if (!c.b(name, true)) fail(ErrorKind::kUnsupported, name, " is false; expected true");
  }
}
static std::vector<HeadOutput> double_heads(const Value& c) {
  check_summary(c);
  return {{"logits", {kVocabulary}}, {"mc_logits", score("multiple_choice_head.summary", 1, true)}};
}

static constexpr const char* kCall = "input_ids cache attention_mask token_type_ids position_ids inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {.name = "GPT2Model", .arguments = {kCall, kEncoderStates, "use_cache"}, .empty_cross = true},
    {.name = "GPT2LMHeadModel",
     .arguments = {kCall, kEncoderStates, "labels use_cache logits_to_keep"},
     .head = causal_lm,
     .empty_cross = true},
    {"GPT2ForSequenceClassification", {kCall, "labels use_cache"}, sequence_classes, Pick::kLastToken},
    {"GPT2DoubleHeadsModel", {kCall, "mc_token_ids labels mc_labels use_cache"}, double_heads, Pick::kNamed},
    {"GPT2ForTokenClassification", {kCall, "labels use_cache"}, token_head},
    {"GPT2ForQuestionAnswering", {kTokens, kSpans}, span_head},
};
static constexpr Alias kAliases[] = {{"hidden_size", "n_embd"},
                                     {"num_hidden_layers", "n_layer"},
                                     {"num_attention_heads", "n_head"},
                                     {"max_position_embeddings", "n_positions"}};
static constexpr Default kDefaults[] = {{"bos_token_id", 50256}, {"eos_token_id", 50256}};

extern const Arch kGpt2;
const Arch kGpt2{
    .model_type = "gpt2",
    .prefix = "transformer.",
    .spec = gpt2,
    .encoder = {},
    .decoder = kWeights,
    .classes = kClasses,
    .keys =
        "vocab_size n_embd n_layer n_head n_positions n_inner activation_function layer_norm_epsilon "
        "scale_attn_weights scale_attn_by_inverse_layer_idx summary_type summary_use_proj summary_activation "
        "summary_proj_to_labels num_labels tie_word_embeddings initializer_range",
    .aliases = kAliases,
    .defaults = kDefaults,
    .manners = {.keeps_cache_back = true}};

}  // namespace fastplm
