// Gemma 3 (text): norms on both sides and of queries and keys; layers with a window have another base of rotary
// positions. Source: transformers/models/gemma3/{configuration,modeling}_gemma3.py; arXiv:2503.19786.
#include <algorithm>

#include "model/arch/gemma.h"

namespace fastplm {

static int kind_of(const Value& c, int64_t layer) {
  return (layer + 1) % c.i_in("sliding_window_pattern", 6, 1, kMaxSize) ? kSliding : kFull;
}

static Spec gemma3(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c, {.kv_heads = 4, .head_dim = 256});
  const bool bias = c.b("attention_bias", false), both_ways = c.b("use_bidirectional_attention", false);
  AttentionSpec full = causal_attention(sizes, bias, bias);
  full.scale = 1.0 / std::sqrt(positive(c, "query_pre_attn_scalar", 256));
  full.qk_norm = QkNorm{rms_norm(c).eps};
  full.see.causal = !both_ways;
  AttentionSpec sliding = full;
  RopeSettings settings{.head_dim = sizes.head_dim, .positions = 131072, .theta = 1e6, .layers = "full_attention"};
  full.score = rope_of(c, settings);
  settings.layers = "sliding_attention", settings.theta = 1e4, settings.theta_name = "rope_local_base_freq";
  settings.scaled = false;
  sliding.score = rope_of(c, settings);
  const std::vector<int> kinds = layer_kinds(c, sizes.layers, kind_of);
  if (std::ranges::count(kinds, kSliding)) {
    sliding.see = window_of(c, 4096, !both_ways);
    if (both_ways) sliding.see.window = (sliding.see.window + 1) / 2;   // half of it on each side
  }
  return {.encoder = {}, .decoder = gemma_stack(c, sizes, full, sliding, kinds)};
}

static std::vector<HeadOutput> gemma3_lm(const Value& c) { return capped_lm(c, 0); }

static constexpr ModelClass kClasses[] = {
    {"Gemma3TextModel", {kDecoderCall, "use_cache"}},
    {"Gemma3ForCausalLM", {kDecoderCall, kCausalCall}, gemma3_lm},
    {"Gemma3TextForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
    {.name = "Gemma3Model", .arguments = {}, .refused = "images beside text; expected Gemma3TextModel"},
    {.name = "Gemma3ForConditionalGeneration",
     .arguments = {},
     .refused = "images beside text; expected Gemma3ForCausalLM"},
    {.name = "Gemma3ForSequenceClassification",
     .arguments = {},
     .refused = "images beside text; expected Gemma3TextForSequenceClassification"},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}, {"bos_token_id", 2}, {"eos_token_id", 1}};

extern const Arch kGemma3;
const Arch kGemma3{
    .model_type = "gemma3_text",
    .prefix = "model.",
    .spec = gemma3,
    .encoder = {},
    .decoder = kGemmaRows,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
        "intermediate_size hidden_activation rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
        "rope_theta rope_local_base_freq tie_word_embeddings initializer_range attention_bias query_pre_attn_scalar "
        "sliding_window sliding_window_pattern layer_types final_logit_softcapping use_bidirectional_attention "
        "num_labels",
    .defaults = kDefaults,
    .manners = {.span_loss_by_count = true}};

}  // namespace fastplm
