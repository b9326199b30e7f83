// Gemma 2: norms on both sides, capped scores and logits, every other layer with a window.
// Source: transformers/models/gemma2/{configuration,modeling}_gemma2.py; arXiv:2408.00118.
#include <algorithm>

#include "model/arch/gemma.h"

namespace fastplm {

static int kind_of(const Value&, int64_t layer) { return layer % 2 ? kFull : kSliding; }

static Spec gemma2(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c, {.kv_heads = 4, .head_dim = 256});
  const bool bias = c.b("attention_bias", false);
  AttentionSpec attention = causal_attention(sizes, bias, bias);
  attention.scale = 1.0 / std::sqrt(positive(c, "query_pre_attn_scalar", 256));
  if (!c.is_null("attn_logit_softcapping")) attention.softcap = positive(c, "attn_logit_softcapping", 50);
  attention.score = rope_of(c, {.head_dim = sizes.head_dim, .positions = 8192});
  if (c.b("use_bidirectional_attention", false)) {
    fail(ErrorKind::kUnsupported, "use_bidirectional_attention is true; this family's tokens see the earlier ones");
  }
  const std::vector<int> kinds = layer_kinds(c, sizes.layers, kind_of);
  AttentionSpec sliding = attention;
  if (std::ranges::count(kinds, kSliding)) sliding.see = window_of(c, 4096);
  return {.encoder = {}, .decoder = gemma_stack(c, sizes, attention, sliding, kinds)};
}

static std::vector<HeadOutput> gemma2_lm(const Value& c) { return capped_lm(c, 30); }

static constexpr ModelClass kClasses[] = {
    {"Gemma2Model", {kDecoderCall, "use_cache"}},
    {"Gemma2ForCausalLM", {kDecoderCall, kCausalCall}, gemma2_lm},
    {"Gemma2ForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
    {"Gemma2ForTokenClassification", {kDecoderCall, kWithLabels}, token_classes},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}, {"bos_token_id", 2}, {"eos_token_id", 1}};

extern const Arch kGemma2;
const Arch kGemma2{.model_type = "gemma2",
                   .prefix = "model.",
                   .spec = gemma2,
                   .encoder = {},
                   .decoder = kGemmaRows,
                   .classes = kClasses,
                   .keys =
                       "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
                       "intermediate_size rms_norm_eps max_position_embeddings rope_parameters rope_scaling rope_theta "
                       "tie_word_embeddings initializer_range hidden_activation attention_bias query_pre_attn_scalar "
                       "sliding_window layer_types final_logit_softcapping attn_logit_softcapping "
                       "use_bidirectional_attention num_labels token_classification_bias",
                   .defaults = kDefaults,
                   .manners = {.span_loss_by_count = true}};

}  // namespace fastplm
