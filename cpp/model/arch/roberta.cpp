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
  spec.encoder->max_length -= padding + 1;
  return spec;
}

static constexpr ModelClass kClasses[] = {
    {"*Model", tanh_pooler},
    {"*ForMaskedLM", gelu_lm_head},
    {"*ForSequenceClassification", first_row_head},
    {"*ForTokenClassification", token_head},
    {"*ForQuestionAnswering", span_head},
    {"*ForMultipleChoice", choice_head},
};

extern const Arch kRoberta, kXlmRoberta, kCamembert;
const Arch kRoberta{"roberta", "roberta.", roberta_spec, kBertWeights, {}, kClasses, true, "Roberta"};
const Arch kXlmRoberta{"xlm-roberta", "roberta.", roberta_spec, kBertWeights, {}, kClasses, true, "XLMRoberta"};
const Arch kCamembert{"camembert", "roberta.", roberta_spec, kBertWeights, {}, kClasses, true, "Camembert"};

}  // namespace fastplm
