// Qwen2: Llama with biases of queries, keys and values, and windows in later layers.
// Source: transformers/models/qwen2/{configuration,modeling}_qwen2.py; arXiv:2407.10671.
#include "model/arch/rotary_decoder.h"

namespace fastplm {

static Spec qwen2(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c, {.kv_heads = 32});
  const NormSpec norm = rms_norm(c);
  AttentionSpec attention = causal_attention(sizes, true, false);
  attention.score = rope_of(c, {.head_dim = sizes.head_dim, .positions = 32768});
  StackSpec stack = decoder_stack(c, sizes, norm);
  windows_in_later_layers(c, stack, attention, gated_mlp(c, false), norm);
  return {.encoder = {}, .decoder = stack};
}

static constexpr ModelClass kClasses[] = {
    {"Qwen2Model", {kDecoderCall, "use_cache"}},
    {"Qwen2ForCausalLM", {kDecoderCall, kCausalCall}, causal_lm},
    {"Qwen2ForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
    {"Qwen2ForTokenClassification", {kDecoderCall, kWithLabels}, token_classes},
    {"Qwen2ForQuestionAnswering", {kDecoderCall, kSpans}, span_head, Pick::kNone, Stacks::kAll, "transformer."},
};

extern const Arch kQwen2;
const Arch kQwen2{
    .model_type = "qwen2",
    .prefix = "model.",
    .spec = qwen2,
    .encoder = {},
    .decoder = kDecoderRows,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
        "intermediate_size hidden_act rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
        "rope_theta tie_word_embeddings initializer_range use_sliding_window sliding_window max_window_layers "
        "layer_types num_labels token_classification_bias",
    .tie = Tie::kIfSaid,
    .manners = {.keeps_cache_back = true, .span_loss_by_count = true}};

}  // namespace fastplm
