// Mistral: Llama with a window over the tokens before.
// Source: transformers/models/mistral/{configuration,modeling}_mistral.py; arXiv:2310.06825.
#include "model/arch/rotary_decoder.h"

namespace fastplm {

static Spec mistral(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c, {.kv_heads = 8});
  const NormSpec norm = rms_norm(c);
  AttentionSpec attention = causal_attention(sizes, false, false);
  if (!c.is_null("sliding_window")) attention.see = window_of(c, 4096);
  attention.score = rope_of(c, {.head_dim = sizes.head_dim, .positions = 4096 * 32});
  StackSpec stack = decoder_stack(c, sizes, norm);
  stack.kinds = {pre_norm(attention, gated_mlp(c, false), norm)};
  return {.encoder = {}, .decoder = stack};
}

static constexpr ModelClass kClasses[] = {
    {"MistralModel", {kDecoderCall, "use_cache"}},
    {"MistralForCausalLM", {kDecoderCall, kCausalCall}, causal_lm},
    {"MistralForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
    {"MistralForTokenClassification", {kDecoderCall, kWithLabels}, token_classes},
    {"MistralForQuestionAnswering", {kDecoderCall, kSpans}, span_head},
};
static constexpr Default kDefaults[] = {{"bos_token_id", 1}, {"eos_token_id", 2}};

extern const Arch kMistral;
const Arch kMistral{
    .model_type = "mistral",
    .prefix = "model.",
    .spec = mistral,
    .encoder = {},
    .decoder = kDecoderRows,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
        "intermediate_size hidden_act rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
        "rope_theta tie_word_embeddings initializer_range sliding_window num_labels token_classification_bias",
    .defaults = kDefaults,
    .tie = Tie::kIfSaid,
    .manners = {.keeps_cache_back = true, .span_loss_by_count = true}};

}  // namespace fastplm
