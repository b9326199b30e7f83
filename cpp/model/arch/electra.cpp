// ELECTRA, generator and discriminator: BERT whose embeddings may be narrower than its layers.
// Source: transformers/models/electra/{configuration,modeling}_electra.py; arXiv:2003.10555.
#include "model/arch/bert.h"

namespace fastplm {

static int64_t embedding_of(const Value& c) { return c.i_in("embedding_size", 128, 1, kMaxSize); }
static double eps_of(const Value& c) { return c.d("layer_norm_eps", 1e-12); }

static Spec electra(const Value& c) {
  Spec spec = bert_spec(c);
  StackSpec& stack = *spec.encoder;
  if (embedding_of(c) != stack.width) {
    stack.embed.width = embedding_of(c);
    stack.embed.project = EmbedSpec::Project::kAfterNorm;
  }
  return decoder_if_said(c, spec);
}

using Step = HeadStep;
static std::vector<HeadOutput> masked_lm(const Value& c) {   // the generator's
  return {
      {"logits",
       {{.kind = Step::kDense, .name = "generator_predictions.dense", .width = embedding_of(c), .act = Act::kGeluErf},
        {.kind = Step::kNorm, .name = "generator_predictions.LayerNorm", .norm = {NormKind::kLayer, eps_of(c)}},
        {.kind = Step::kVocab, .name = "generator_lm_head", .bias = "generator_lm_head.bias"}}}};
}
static std::vector<HeadOutput> replaced(const Value& c) {   // the discriminator's: is a token another than it was?
  return {
      {"logits",
       {{.kind = Step::kDense, .name = "discriminator_predictions.dense", .act = act_from(c.s("hidden_act", "gelu"))},
        {.kind = Step::kDense, .name = "discriminator_predictions.dense_prediction", .width = 1}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {{"logits",
           {{Step::kFirst},
            {.kind = Step::kDense, .name = "classifier.dense", .act = Act::kGeluErf},
            {.kind = Step::kDense, .name = "classifier.out_proj", .width = labels_of(c)}}}};
}
static std::vector<HeadOutput> choice(const Value& c) {
  std::vector<Step> steps = summary(c, "sequence_summary.summary", "first", "gelu", 0);
  steps.push_back({.kind = Step::kDense, .name = "classifier", .width = 1});
  return {{"logits", steps}};
}

static constexpr ModelClass kClasses[] = {
    {.name = "ElectraModel", .arguments = {kTokens, kEncoderStates, "cache use_cache"}, .empty_cross = true},
    {"ElectraForPreTraining", {kTokens, "labels"}, replaced},
    {"ElectraForMaskedLM", {kTokens, "labels"}, masked_lm},
    {.name = "ElectraForCausalLM",
     .arguments = {kTokens, kEncoderStates, kDecodingCall},
     .head = masked_lm,
     .empty_cross = true},
    {"ElectraForSequenceClassification", {kTokens, "labels"}, sequence_classes},
    {"ElectraForTokenClassification", {kTokens, "labels"}, token_head},
    {"ElectraForQuestionAnswering", {kTokens, kSpans}, span_head},
    {"ElectraForMultipleChoice", {kTokens, "labels"}, choice},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}};

extern const Arch kElectra;
const Arch kElectra{.model_type = "electra",
                    .prefix = "electra.",
                    .spec = electra,
                    .encoder = kBertWeights,
                    .decoder = {},
                    .classes = kClasses,
                    .keys =
                        "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
                        "max_position_embeddings type_vocab_size hidden_act layer_norm_eps embedding_size "
                        "summary_type summary_use_proj summary_activation num_labels tie_word_embeddings "
                        "initializer_range is_decoder",
                    .defaults = kDefaults,
                    .manners = {.labels_stop_cache = true, .keeps_cache_back = true}};

}  // namespace fastplm
