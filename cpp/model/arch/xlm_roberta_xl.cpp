// XLM-RoBERTa-XL: RoBERTa with the norms before each sublayer and one after the last.
// Source: transformers/models/xlm_roberta_xl/modeling_xlm_roberta_xl.py; arXiv:2105.00572.
#include "model/arch/bert.h"

namespace fastplm {

static Spec xlm_roberta_xl(const Value& c) {
  Spec spec = roberta_spec(c);
  StackSpec& stack = *spec.encoder;
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", 1e-5)};
  const LayerSpec& layer = stack.kinds[0];
  stack.kinds = {
      pre_norm(std::get<AttentionSpec>(layer[0].branches[0].op), std::get<MlpSpec>(layer[1].branches[0].op), norm)};
  stack.embed.norm.reset();
  stack.embed.segments = c.i_in("type_vocab_size", 1, 0, kMaxSize);
  stack.last = norm;
  return decoder_if_said(c, spec);
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.positions", "embeddings.position_embeddings"},
    {"embed.segments", "embeddings.token_type_embeddings"},
    {"attention.before", "encoder.layer.{n}.attention.self_attn_layer_norm"},
    {"attention.query", "encoder.layer.{n}.attention.self.query"},
    {"attention.key", "encoder.layer.{n}.attention.self.key"},
    {"attention.value", "encoder.layer.{n}.attention.self.value"},
    {"attention.out", "encoder.layer.{n}.attention.output.dense"},
    {"mlp.before", "encoder.layer.{n}.LayerNorm"},
    {"mlp.up", "encoder.layer.{n}.intermediate.dense"},
    {"mlp.down", "encoder.layer.{n}.output.dense"},
    {"last", "encoder.LayerNorm"},
};

static std::vector<HeadOutput> vocabulary(const Value& c) { return gelu_lm_head(c, 1e-5); }

static constexpr ModelClass kClasses[] = {
    {.name = "XLMRobertaXLModel",
     .arguments = {kTokens, kEncoderStates, "cache use_cache"},
     .head = tanh_pooler,
     .empty_cross = true},
    {"XLMRobertaXLForMaskedLM", {kTokens, kEncoderStates, "labels"}, vocabulary},
    {.name = "XLMRobertaXLForCausalLM",
     .arguments = {kTokens, kEncoderStates, kDecodingCall},
     .head = vocabulary,
     .empty_cross = true},
    {"XLMRobertaXLForSequenceClassification", {kTokens, "labels"}, first_row_head},
    {"XLMRobertaXLForTokenClassification", {kTokens, "labels"}, token_head},
    {"XLMRobertaXLForQuestionAnswering", {kTokens, kSpans}, span_head},
    {"XLMRobertaXLForMultipleChoice", {kRobertaChoices}, choice_head},
};

extern const Arch kXlmRobertaXl;
const Arch kXlmRobertaXl{.model_type = "xlm-roberta-xl",
                         .prefix = "roberta.",
                         .spec = xlm_roberta_xl,
                         .encoder = kWeights,
                         .decoder = {},
                         .classes = kClasses,
                         .keys = kRobertaKeys,
                         .defaults = kRobertaDefaults,
                         .manners = {.labels_stop_cache = true, .keeps_cache_back = true, .token_loss_by_mask = true}};

}  // namespace fastplm
