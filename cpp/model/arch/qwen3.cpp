// Qwen3: Qwen2 with norms of queries and keys in place of their biases.
// Source: transformers/models/qwen3/{configuration,modeling}_qwen3.py; arXiv:2505.09388.
#include "model/arch/rotary_decoder.h"

namespace fastplm {

static Spec qwen3(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c, {.kv_heads = 32, .head_dim = 128});
  const NormSpec norm = rms_norm(c);
  const bool bias = c.b("attention_bias", false);
  AttentionSpec attention = causal_attention(sizes, bias, bias);
  attention.score = rope_of(c, {.head_dim = sizes.head_dim, .positions = 32768});
  attention.qk_norm = QkNorm{norm.eps};
  StackSpec stack = decoder_stack(c, sizes, norm);
  windows_in_later_layers(c, stack, attention, gated_mlp(c, false), norm);
  return {.encoder = {}, .decoder = stack};
}

static constexpr ModelClass kClasses[] = {
    {"Qwen3Model", {kDecoderCall, "use_cache"}},
    {"Qwen3ForCausalLM", {kDecoderCall, kCausalCall}, causal_lm},
    {"Qwen3ForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
    {"Qwen3ForTokenClassification", {kDecoderCall, kWithLabels}, token_classes},
    {"Qwen3ForQuestionAnswering", {kDecoderCall, kSpans}, span_head, Pick::kNone, Stacks::kAll, "transformer."},
};

extern const Arch kQwen3;
const Arch kQwen3{
    .model_type = "qwen3",
    .prefix = "model.",
    .spec = qwen3,
    .encoder = {},
    .decoder = kDecoderRows,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
        "intermediate_size hidden_act rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
        "rope_theta tie_word_embeddings initializer_range attention_bias use_sliding_window sliding_window "
        "max_window_layers layer_types num_labels token_classification_bias",
    .tie = Tie::kIfSaid,
    .manners = {.keeps_cache_back = true, .span_loss_by_count = true}};

}  // namespace fastplm
