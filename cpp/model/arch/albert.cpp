// ALBERT: BERT whose layers share their weights in groups, with narrower embeddings.
// Source: transformers/models/albert/{configuration,modeling}_albert.py; arXiv:1909.11942.
#include "model/arch/bert.h"

namespace fastplm {

static int64_t embedding_of(const Value& c) { return c.i_in("embedding_size", 128, 1, kMaxSize); }

static Spec albert(const Value& c) {
  Spec spec = bert_spec(c);
  StackSpec& stack = *spec.encoder;
  std::get<MlpSpec>(stack.kinds[0][1].branches[0].op).act = act_from(c.s("hidden_act", "gelu_new"));
  stack.embed.width = embedding_of(c);
  stack.embed.project = EmbedSpec::Project::kAfterNorm;
  if (const int64_t inner = c.i_in("inner_group_num", 1, 1, kMaxSize); inner != 1) {
    fail(ErrorKind::kUnsupported, "inner_group_num is ", inner, "; expected 1");
  }
  const int64_t layers = stack.layers(), groups = c.i_in("num_hidden_groups", 1, 1, kMaxSize);
  if (groups > std::max<int64_t>(layers, 1)) {
    fail(ErrorKind::kFile, "\"num_hidden_groups\" is ", groups, "; expected at most \"num_hidden_layers\", ", layers);
  }
  for (int64_t n = 0; n < layers; ++n) {   // rounded as in the source
    stack.weights_of[size_t(n)] = int(double(n) / (double(layers) / double(groups)));
  }
  return spec;
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.positions", "embeddings.position_embeddings"},
    {"embed.segments", "embeddings.token_type_embeddings"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"embed.project", "encoder.embedding_hidden_mapping_in"},
    {"attention.query", "encoder.albert_layer_groups.{n}.albert_layers.0.attention.query"},
    {"attention.key", "encoder.albert_layer_groups.{n}.albert_layers.0.attention.key"},
    {"attention.value", "encoder.albert_layer_groups.{n}.albert_layers.0.attention.value"},
    {"attention.out", "encoder.albert_layer_groups.{n}.albert_layers.0.attention.dense"},
    {"attention.after", "encoder.albert_layer_groups.{n}.albert_layers.0.attention.LayerNorm"},
    {"mlp.up", "encoder.albert_layer_groups.{n}.albert_layers.0.ffn"},
    {"mlp.down", "encoder.albert_layer_groups.{n}.albert_layers.0.ffn_output"},
    {"mlp.after", "encoder.albert_layer_groups.{n}.albert_layers.0.full_layer_layer_norm"},
};

using Step = HeadStep;
static const Step kPooler{.kind = Step::kDense, .name = "pooler", .act = Act::kTanh};

static std::vector<Step> vocabulary(const Value& c) {
  return {
      {.kind = Step::kDense,
       .name = "predictions.dense",
       .width = embedding_of(c),
       .act = act_from(c.s("hidden_act", "gelu_new"))},
      {.kind = Step::kNorm, .name = "predictions.LayerNorm", .norm = {NormKind::kLayer, c.d("layer_norm_eps", 1e-12)}},
      {.kind = Step::kVocab,
       .name = "predictions.decoder",
       .bias = "predictions.decoder.bias",
       .tied_bias = "predictions.bias"}};
}
static std::vector<Step> pooled(const char* name, int64_t classes) {
  return {{Step::kFirst}, kPooler, {.kind = Step::kDense, .name = name, .width = classes}};
}

static std::vector<HeadOutput> pooler(const Value&) {
  return {{.name = "pooler_output", .steps = {{Step::kFirst}, kPooler}, .optional = true}};
}
static std::vector<HeadOutput> masked_lm(const Value& c) { return {{"logits", vocabulary(c)}}; }
static std::vector<HeadOutput> pretraining(const Value& c) {
  return {{"prediction_logits", vocabulary(c)}, {"sop_logits", pooled("sop_classifier.classifier", labels_of(c))}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {{"logits", pooled("classifier", labels_of(c))}};
}
static std::vector<HeadOutput> choice(const Value&) { return {{"logits", pooled("classifier", 1)}}; }

static constexpr ModelClass kClasses[] = {
    {"AlbertModel", {kTokens}, pooler},
    {"AlbertForPreTraining", {kTokens, "labels sentence_order_label"}, pretraining},
    {"AlbertForMaskedLM", {kTokens, "labels"}, masked_lm},
    {"AlbertForSequenceClassification", {kTokens, "labels"}, sequence_classes},
    {"AlbertForTokenClassification", {kTokens, "labels"}, token_head},
    {"AlbertForQuestionAnswering", {kTokens, kSpans}, span_head},
    {"AlbertForMultipleChoice", {kTokens, "labels"}, choice},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}, {"bos_token_id", 2}, {"eos_token_id", 3}};

extern const Arch kAlbert;
const Arch kAlbert{.model_type = "albert",
                   .prefix = "albert.",
                   .spec = albert,
                   .encoder = kWeights,
                   .decoder = {},
                   .classes = kClasses,
                   .keys =
                       "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
                       "max_position_embeddings type_vocab_size hidden_act layer_norm_eps embedding_size "
                       "num_hidden_groups inner_group_num num_labels tie_word_embeddings initializer_range",
                   .defaults = kDefaults};

}  // namespace fastplm
