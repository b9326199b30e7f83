// XLM: a post-norm encoder whose embeddings may tell languages apart.
// Source: transformers/models/xlm/{configuration,modeling}_xlm.py; arXiv:1901.07291.
#include "model/arch.h"

namespace fastplm {

static Spec xlm(const Value& c) {
  if (!c.b("is_encoder", true)) fail(ErrorKind::kUnsupported, "is_encoder is false; expected true");
  const int64_t width = c.i_in("emb_dim", 2048, 1, kMaxSize), heads = c.i_in("n_heads", 16, 1, kMaxSize);
  const int64_t layers = c.i_in("n_layers", 12, 0, kMaxSize), head_dim = head_dim_of(width, heads);
  const int64_t positions = c.i_in("max_position_embeddings", 512, 1, kMaxSize);
  const int64_t languages = c.i_in("n_langs", 1, 0, kMaxSize);
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", 1e-12)};
  AttentionSpec attention{heads, heads, head_dim, inverse_sqrt(head_dim)};
  attention.see.causal = c.b("causal", false);
  const MlpSpec mlp{4 * width, c.b("gelu_activation", true) ? Act::kGeluErf : Act::kRelu};
  LearnedPositions table{positions};
  if (c.b("sinusoidal_embeddings", false)) table.waves = Waves::kTurns;
  return {.encoder = StackSpec{.width = width,
                               .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize),
                                         .positions = table,
                                         .norm = norm,
                                         .languages = languages > 1 && c.b("use_lang_emb", true) ? languages : 0,
                                         .segments_are_tokens = true},
                               .kinds = {post_norm(attention, mlp, norm)},
                               .kind_of = one_kind(layers),
                               .weights_of = own_weights(layers),
                               .max_length = positions,
                               .hidden = Hidden::kZero},
          .decoder = {}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embeddings"},
    {"embed.positions", "position_embeddings"},
    {"embed.languages", "lang_embeddings"},
    {"embed.norm", "layer_norm_emb"},
    {"attention.query", "attentions.{n}.q_lin"},
    {"attention.key", "attentions.{n}.k_lin"},
    {"attention.value", "attentions.{n}.v_lin"},
    {"attention.out", "attentions.{n}.out_lin"},
    {"attention.after", "layer_norm1.{n}"},
    {"mlp.up", "ffns.{n}.lin1"},
    {"mlp.down", "ffns.{n}.lin2"},
    {"mlp.after", "layer_norm2.{n}"},
};

using Step = HeadStep;
static std::vector<HeadOutput> vocabulary(const Value& c) {
  if (c.b("asm", false)) fail(ErrorKind::kUnsupported, "asm is true; expected false: there is no adaptive softmax");
  return {{"logits", {{.kind = Step::kVocab, .name = "pred_layer.proj", .bias = "pred_layer.proj.bias"}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {{"logits", summary(c, "sequence_summary.summary", "first", "", labels_of(c))}};
}
static std::vector<HeadOutput> choice(const Value& c) {
  std::vector<HeadOutput> head = sequence_classes(c);
  head[0].steps.push_back({.kind = Step::kDense, .name = "logits_proj", .width = 1});
  return head;
}

static constexpr const char* kCall =
    "input_ids attention_mask langs token_type_ids position_ids lengths cache inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"XLMModel", {kCall, kSwitches}},
    {.name = "XLMWithLMHeadModel",
     .arguments = {kCall, "labels", kSwitches, "logits_to_keep"},
     .head = vocabulary,
     .also = "ForCausalLM"},
    {"XLMForSequenceClassification", {kCall, "labels", kSwitches}, sequence_classes},
    {"XLMForTokenClassification", {kCall, "labels", kSwitches}, token_head},
    {"XLMForQuestionAnsweringSimple", {kCall, kSpans, kSwitches}, span_head},
    {.name = "XLMForQuestionAnswering",
     .refused =
         "its beams over beginnings and ends of answers; expected XLMForQuestionAnsweringSimple, which has one logit "
         "for each"},
    {"XLMForMultipleChoice", {kCall, "labels", kSwitches}, choice},
};
static constexpr Alias kAliases[] = {{"hidden_size", "emb_dim"},         {"num_hidden_layers", "n_layers"},
                                     {"num_attention_heads", "n_heads"}, {"n_words", "vocab_size"},
                                     {"pad_index", "pad_token_id"},      {"bos_index", "bos_token_id"},
                                     {"eos_index", "eos_token_id"}};
static constexpr Default kDefaults[] = {{"pad_token_id", 2}, {"bos_token_id", 0}, {"eos_token_id", 1}};

extern const Arch kXlm;
const Arch kXlm{
    .model_type = "xlm",
    .prefix = "transformer.",
    .spec = xlm,
    .encoder = kWeights,
    .decoder = {},
    .classes = kClasses,
    .keys =
        "vocab_size emb_dim n_layers n_heads max_position_embeddings gelu_activation sinusoidal_embeddings "
        "causal is_encoder asm n_langs use_lang_emb layer_norm_eps summary_type summary_use_proj summary_activation "
        "summary_proj_to_labels pad_token_id num_labels tie_word_embeddings init_std",
    .aliases = kAliases,
    .defaults = kDefaults,
    .manners = {.states_all_or_none = true, .mask_by_lengths = true}};

}  // namespace fastplm
