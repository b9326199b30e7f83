// BERT and RoBERTa: post-norm encoders with learned positions.
// Source: transformers/models/{bert,roberta}/modeling_*.py; arXiv:1810.04805, arXiv:1907.11692.
#include "model/arch.h"

namespace fastplm {

static Spec bert(const Value& c) {
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t layers = c.i_in("num_hidden_layers", 0, kMaxSize), head_dim = head_dim_of(width, heads);
  const int64_t positions = c.i_in("max_position_embeddings", 512, 1, kMaxSize);
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", 1e-12)};
  const AttentionSpec attention{heads, heads, head_dim, inverse_sqrt(head_dim)};
  const MlpSpec mlp{c.i_in("intermediate_size", 1, kMaxSize), act_from(c.s("hidden_act", "gelu"))};
  return {.encoder = StackSpec{.width = width,
                               .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize),
                                         .segments = c.i_in("type_vocab_size", 2, 0, kMaxSize),
                                         .positions = LearnedPositions{positions},
                                         .norm = norm},
                               .kinds = {post_norm(attention, mlp, norm)},
                               .kind_of = one_kind(layers),
                               .weights_of = own_weights(layers),
                               .max_length = positions},
          .decoder = {}};
}

static Spec roberta(const Value& c) {   // BERT, but positions are counted from past the padding id
  Spec spec = bert(c);
  const int64_t padding = c.i_in("pad_token_id", 1, 0, kMaxSize);
  spec.encoder->embed.positions->first = padding + 1;
  spec.encoder->embed.positions->padding_id = padding;
  spec.encoder->max_length = after_padding(spec.encoder->max_length, padding);
  return spec;
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.positions", "embeddings.position_embeddings"},
    {"embed.segments", "embeddings.token_type_embeddings"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"attention.query", "encoder.layer.{n}.attention.self.query"},
    {"attention.key", "encoder.layer.{n}.attention.self.key"},
    {"attention.value", "encoder.layer.{n}.attention.self.value"},
    {"attention.out", "encoder.layer.{n}.attention.output.dense"},
    {"attention.after", "encoder.layer.{n}.attention.output.LayerNorm"},
    {"mlp.up", "encoder.layer.{n}.intermediate.dense"},
    {"mlp.down", "encoder.layer.{n}.output.dense"},
    {"mlp.after", "encoder.layer.{n}.output.LayerNorm"},
};

using Step = HeadStep;
static const Step kPooler{.kind = Step::kDense, .name = "pooler.dense", .act = Act::kTanh};

static std::vector<Step> vocabulary(const Value& c) {
  return {{.kind = Step::kDense, .name = "cls.predictions.transform.dense", .act = act_from(c.s("hidden_act", "gelu"))},
          {.kind = Step::kNorm,
           .name = "cls.predictions.transform.LayerNorm",
           .norm = {NormKind::kLayer, c.d("layer_norm_eps", 1e-12)}},
          {.kind = Step::kVocab,
           .name = "cls.predictions.decoder",
           .bias = "cls.predictions.decoder.bias",
           .tied_bias = "cls.predictions.bias"}};
}
static std::vector<Step> next_sentence() {
  return {{Step::kFirst}, kPooler, {.kind = Step::kDense, .name = "cls.seq_relationship", .width = 2}};
}
static std::vector<Step> classes_of_sequence(int64_t classes) {
  return {{Step::kFirst}, kPooler, {.kind = Step::kDense, .name = "classifier", .width = classes}};
}

static std::vector<HeadOutput> masked_lm(const Value& c) { return {{"logits", vocabulary(c)}}; }
static std::vector<HeadOutput> next_sentence_head(const Value&) { return {{"logits", next_sentence()}}; }
static std::vector<HeadOutput> pretraining(const Value& c) {
  return {{"prediction_logits", vocabulary(c)}, {"seq_relationship_logits", next_sentence()}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {{"logits", classes_of_sequence(labels_of(c))}};
}
static std::vector<HeadOutput> choice(const Value&) { return {{"logits", classes_of_sequence(1)}}; }
static std::vector<HeadOutput> token_classes(const Value& c) {
  return {{"logits", {{.kind = Step::kDense, .name = "classifier", .width = labels_of(c)}}}};
}

static constexpr ModelClass kBertClasses[] = {
    {.name = "BertModel",
     .arguments = {kTokens, kEncoderStates, "cache use_cache"},
     .head = tanh_pooler,
     .empty_cross = true},
    {"BertForMaskedLM", {kTokens, kEncoderStates, "labels"}, masked_lm},
    {"BertForNextSentencePrediction", {kTokens, "labels"}, next_sentence_head},
    {"BertForPreTraining", {kTokens, "labels next_sentence_label"}, pretraining},
    {"BertForSequenceClassification", {kTokens, "labels"}, sequence_classes},
    {"BertForTokenClassification", {kTokens, "labels"}, token_classes},
    {"BertForQuestionAnswering", {kTokens, kSpans}, span_head},
    {"BertForMultipleChoice", {kTokens, "labels"}, choice},
};
static constexpr ModelClass kRobertaClasses[] = {
    {.name = "RobertaModel",
     .arguments = {kTokens, kEncoderStates, "cache use_cache"},
     .head = tanh_pooler,
     .empty_cross = true},
};

static constexpr const char* kBertKeys =
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings "
    "type_vocab_size hidden_act layer_norm_eps num_labels tie_word_embeddings initializer_range";
static constexpr const char* kRobertaKeys =
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings "
    "type_vocab_size hidden_act layer_norm_eps pad_token_id";
static constexpr Default kBertDefaults[] = {{"pad_token_id", 0}};
static constexpr Default kRobertaDefaults[] = {{"pad_token_id", 1}, {"bos_token_id", 0}, {"eos_token_id", 2}};

extern const Arch kBert, kRoberta;
const Arch kBert{.model_type = "bert",
                 .prefix = "bert.",
                 .spec = bert,
                 .encoder = kWeights,
                 .decoder = {},
                 .classes = kBertClasses,
                 .keys = kBertKeys,
                 .defaults = kBertDefaults};
const Arch kRoberta{.model_type = "roberta",
                    .prefix = "roberta.",
                    .spec = roberta,
                    .encoder = kWeights,
                    .decoder = {},
                    .classes = kRobertaClasses,
                    .keys = kRobertaKeys,
                    .defaults = kRobertaDefaults};

}  // namespace fastplm
