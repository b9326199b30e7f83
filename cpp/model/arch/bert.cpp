// BERT: a post-norm encoder with learned positions.
// Source: transformers/models/bert/modeling_bert.py; arXiv:1810.04805.
#include "model/arch/bert.h"

namespace fastplm {

Spec bert_spec(const Value& c) {
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

static std::vector<HeadOutput> masked_lm(const Value& c) { return {{"logits", vocabulary(c)}}; }
static std::vector<HeadOutput> next_sentence_head(const Value&) { return {{"logits", next_sentence()}}; }
static std::vector<HeadOutput> pretraining(const Value& c) {
  return {{"prediction_logits", vocabulary(c)}, {"seq_relationship_logits", next_sentence()}};
}

static constexpr ModelClass kClasses[] = {
    {.name = "BertModel",
     .arguments = {kTokens, kEncoderStates, "cache use_cache"},
     .head = tanh_pooler,
     .empty_cross = true},
    {"BertForMaskedLM", {kTokens, kEncoderStates, "labels"}, masked_lm},
    {.name = "BertLMHeadModel",
     .arguments = {kTokens, kEncoderStates, kDecodingCall},
     .head = masked_lm,
     .empty_cross = true},
    {"BertForNextSentencePrediction", {kTokens, "labels"}, next_sentence_head},
    {"BertForPreTraining", {kTokens, "labels next_sentence_label"}, pretraining},
    {"BertForSequenceClassification", {kTokens, "labels"}, pooled_head},
    {"BertForTokenClassification", {kTokens, "labels"}, token_head},
    {"BertForQuestionAnswering", {kTokens, kSpans}, span_head},
    {"BertForMultipleChoice", {kTokens, "labels"}, choice_head},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}};

extern const Arch kBert;
const Arch kBert{.model_type = "bert",
                 .prefix = "bert.",
                 .spec = [](const Value& c) { return decoder_if_said(c, bert_spec(c)); },
                 .encoder = kBertWeights,
                 .decoder = {},
                 .classes = kClasses,
                 .keys =
                     "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
                     "max_position_embeddings type_vocab_size hidden_act layer_norm_eps num_labels "
                     "tie_word_embeddings initializer_range is_decoder",
                 .defaults = kDefaults,
                 .manners = {.labels_stop_cache = true, .keeps_cache_back = true}};

}  // namespace fastplm
