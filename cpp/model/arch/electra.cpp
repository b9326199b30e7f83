// ELECTRA, generator and discriminator: BERT whose embeddings may be narrower than its layers.
// Source: transformers/models/electra/{configuration,modeling}_electra.py; arXiv:2003.10555.
#include "model/arch/bert.h"

namespace fastplm {

static int64_t embedding_of(const Value& c) { return c.i_in("embedding_size", 128, 1, kMaxSize); }
static double eps_of(const Value& c) { return c.d("layer_norm_eps", 1e-12); }

static Spec electra(const Value& c) {
  Spec spec = bert_spec(c);
  StackSpec& stack = *spec.encoder;
  if (embedding_of(c) == stack.width) return spec;
  stack.embed.width = embedding_of(c);
  stack.embed.project = EmbedSpec::Project::kAfterNorm;
  return spec;
}

using Step = HeadStep;
static std::vector<HeadOutput> masked_lm(const Value& c) {   // the generator's
  return {{"logits",
           {{.kind = Step::kDense,
             .name = "generator_predictions.dense",
             .width = embedding_of(c),
             .act = Act::kGeluErf},
            {.kind = Step::kNorm, .name = "generator_predictions.LayerNorm", .norm = {NormKind::kLayer, eps_of(c)}},
            {.kind = Step::kVocab, .name = "generator_lm_head", .bias = "generator_lm_head.bias"}}}};
}
static std::vector<HeadOutput> replaced(const Value& c) {   // the discriminator's: is a token another than it was?
  return {{"logits",
           {{.kind = Step::kDense,
             .name = "discriminator_predictions.dense",
             .act = act_from(c.s("hidden_act", "gelu"))},
            {.kind = Step::kDense, .name = "discriminator_predictions.dense_prediction", .width = 1}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {{"logits",
           {{Step::kFirst},
            {.kind = Step::kDense, .name = "classifier.dense", .act = Act::kGeluErf},
            {.kind = Step::kDense, .name = "classifier.out_proj", .width = labels_of(c)}}}};
}
static std::vector<HeadOutput> choice(const Value& c) {
  std::vector<Step> steps = summary(c, "sequence_summary.summary", "gelu", 0);
  steps.push_back({.kind = Step::kDense, .name = "classifier", .width = 1});
  return {{"logits", steps}};
}

static constexpr ModelClass kClasses[] = {
    {"ElectraModel"},
    {"ElectraForPreTraining", replaced},
    {"ElectraForMaskedLM", masked_lm},
    {"ElectraForSequenceClassification", sequence_classes},
    {"ElectraForTokenClassification", token_head},
    {"ElectraForQuestionAnswering", span_head},
    {"ElectraForMultipleChoice", choice},
};

extern const Arch kElectra;
const Arch kElectra{"electra", "electra.", electra, kBertWeights, {}, kClasses};

}  // namespace fastplm
