// Granite: Llama with factors of embeddings, scores, layers and logits.
// Source: transformers/models/granite/{configuration,modeling}_granite.py; arXiv:2405.04324.
#include "model/arch/rotary_decoder.h"

namespace fastplm {

static Spec granite(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c);
  const NormSpec norm = rms_norm(c);
  const bool bias = c.b("attention_bias", false);
  AttentionSpec attention = causal_attention(sizes, bias, bias);
  attention.scale = positive(c, "attention_multiplier", 1.0);
  attention.score = rope_of(c, {.head_dim = sizes.head_dim});
  LayerSpec layer = pre_norm(attention, gated_mlp(c, c.b("mlp_bias", false)), norm);
  for (Sublayer& sublayer : layer) sublayer.branches[0].factor = c.d("residual_multiplier", 1.0);
  StackSpec stack = decoder_stack(c, sizes, norm);
  stack.embed.scale = c.d("embedding_multiplier", 1.0);
  stack.embed.scales_given = true;
  stack.kinds = {layer};
  return {.encoder = {}, .decoder = stack};
}

static std::vector<HeadOutput> scaled_lm(const Value& c) {
  std::vector<HeadOutput> head = causal_lm(c);
  head[0].steps.push_back({.kind = HeadStep::kScale, .factor = 1.0 / positive(c, "logits_scaling", 1.0)});
  return head;
}

static constexpr ModelClass kClasses[] = {
    {"GraniteModel", {kDecoderCall, "use_cache"}},
    {"GraniteForCausalLM", {kDecoderCall, kCausalCall}, scaled_lm},
};
static constexpr Default kDefaults[] = {{"bos_token_id", 1}, {"eos_token_id", 2}};

extern const Arch kGranite;
const Arch kGranite{
    .model_type = "granite",
    .prefix = "model.",
    .spec = granite,
    .encoder = {},
    .decoder = kDecoderRows,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
        "intermediate_size hidden_act rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
        "rope_theta tie_word_embeddings initializer_range attention_bias mlp_bias embedding_multiplier "
        "logits_scaling residual_multiplier attention_multiplier",
    .defaults = kDefaults,
    .tie = Tie::kIfSaid,
    .manners = {.span_loss_by_count = true}};

}  // namespace fastplm
