// Llama: a pre-norm decoder with RMSNorm, rotary positions, grouped key heads and a gated MLP.
// Source: transformers/models/llama/{configuration,modeling}_llama.py; arXiv:2302.13971.
#include "model/arch/rotary_decoder.h"

namespace fastplm {

static Spec llama(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c);
  const NormSpec norm = rms_norm(c);
  const bool bias = c.b("attention_bias", false);
  AttentionSpec attention = causal_attention(sizes, bias, bias);
  attention.score = rope_of(c, {.head_dim = sizes.head_dim});
  StackSpec stack = decoder_stack(c, sizes, norm);
  stack.kinds = {pre_norm(attention, gated_mlp(c, c.b("mlp_bias", false)), norm)};
  return {.encoder = {}, .decoder = stack};
}

static constexpr ModelClass kClasses[] = {
    {"LlamaModel", {kDecoderCall, "use_cache"}},
    {"LlamaForCausalLM", {kDecoderCall, kCausalCall}, causal_lm},
    {"LlamaForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
    {"LlamaForTokenClassification", {kDecoderCall, kWithLabels}, token_classes},
    {"LlamaForQuestionAnswering", {kDecoderCall, kSpans}, span_head, Pick::kNone, Stacks::kAll, "transformer."},
};
static constexpr Default kDefaults[] = {{"bos_token_id", 1}, {"eos_token_id", 2}};

extern const Arch kLlama;
const Arch kLlama{.model_type = "llama",
                  .prefix = "model.",
                  .spec = llama,
                  .encoder = {},
                  .decoder = kDecoderRows,
                  .classes = kClasses,
                  .keys =
                      "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
                      "intermediate_size hidden_act rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
                      "rope_theta tie_word_embeddings initializer_range attention_bias mlp_bias num_labels "
                      "token_classification_bias",
                  .defaults = kDefaults,
                  .tie = Tie::kIfSaid,
                  .manners = {.span_loss_by_count = true}};

}  // namespace fastplm
