// RoBERTa, and XLM-RoBERTa and CamemBERT, which differ from it in nothing but their names.
// Source: transformers/models/{roberta,xlm_roberta,camembert}/modeling_*.py; arXiv:1907.11692, arXiv:1911.02116,
// arXiv:1911.03894.
#include "model/arch/bert.h"

namespace fastplm {

Spec roberta_spec(const Value& c) {
  Spec spec = bert_spec(c);
  const int64_t padding = c.i_in("pad_token_id", 1, 0, kMaxSize);
  spec.encoder->embed.positions->first = padding + 1;
  spec.encoder->embed.positions->padding_id = padding;
  spec.encoder->max_length = after_padding(spec.encoder->max_length, padding);
  return spec;
}

static std::vector<HeadOutput> vocabulary(const Value& c) { return gelu_lm_head(c, 1e-12); }

static constexpr ModelClass kClasses[] = {
    {.name = "*Model",
     .arguments = {kTokens, kEncoderStates, "cache use_cache"},
     .head = tanh_pooler,
     .empty_cross = true},
    {"*ForMaskedLM", {kTokens, kEncoderStates, "labels"}, vocabulary},
    {.name = "*ForCausalLM",
     .arguments = {kTokens, kEncoderStates, kDecodingCall},
     .head = vocabulary,
     .empty_cross = true},
    {"*ForSequenceClassification", {kTokens, "labels"}, first_row_head},
    {"*ForTokenClassification", {kTokens, "labels"}, token_head},
    {"*ForQuestionAnswering", {kTokens, kSpans}, span_head},
    {"*ForMultipleChoice", {kRobertaChoices}, choice_head},
};

static constexpr Arch family(const char* model_type, const char* stem) {
  return {.model_type = model_type,
          .prefix = "roberta.",
          .spec = [](const Value& c) { return decoder_if_said(c, roberta_spec(c)); },
          .encoder = kBertWeights,
          .decoder = {},
          .classes = kClasses,
          .keys = kRobertaKeys,
          .defaults = kRobertaDefaults,
          .manners = {.labels_stop_cache = true, .keeps_cache_back = true},
          .stem = stem};
}

extern const Arch kRoberta, kXlmRoberta, kCamembert;
const Arch kRoberta = family("roberta", "Roberta");
const Arch kXlmRoberta = family("xlm-roberta", "XLMRoberta");
const Arch kCamembert = family("camembert", "Camembert");

}  // namespace fastplm
