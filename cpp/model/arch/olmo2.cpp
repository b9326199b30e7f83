// OLMo-2: Llama with norms behind attention and MLP, and of all queries and keys of a token.
// Source: transformers/models/olmo2/{configuration,modeling}_olmo2.py; arXiv:2501.00656.
#include "model/arch/rotary_decoder.h"

namespace fastplm {

static Spec olmo2(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c);
  const NormSpec norm = rms_norm(c, 1e-5);
  const bool bias = c.b("attention_bias", false);
  AttentionSpec attention = causal_attention(sizes, bias, bias);
  attention.qk_norm = QkNorm{norm.eps, true};
  attention.score = rope_of(c, {.head_dim = sizes.head_dim});
  StackSpec stack = decoder_stack(c, sizes, norm);
  stack.kinds = {{{{{{}, attention, norm}}, {}}, {{{{}, gated_mlp(c, false), norm}}, {}}}};
  return {.encoder = {}, .decoder = stack};
}

static constexpr WeightRow kRows[] = {
    {"embed.tokens", "embed_tokens"},
    {"attention.query", "layers.{n}.self_attn.q_proj"},
    {"attention.key", "layers.{n}.self_attn.k_proj"},
    {"attention.value", "layers.{n}.self_attn.v_proj"},
    {"attention.query_norm", "layers.{n}.self_attn.q_norm"},
    {"attention.key_norm", "layers.{n}.self_attn.k_norm"},
    {"attention.out", "layers.{n}.self_attn.o_proj"},
    {"attention.inner", "layers.{n}.post_attention_layernorm"},
    {"mlp.gate", "layers.{n}.mlp.gate_proj"},
    {"mlp.up", "layers.{n}.mlp.up_proj"},
    {"mlp.down", "layers.{n}.mlp.down_proj"},
    {"mlp.inner", "layers.{n}.post_feedforward_layernorm"},
    {"last", "norm"},
};

static constexpr ModelClass kClasses[] = {
    {"Olmo2Model", {kDecoderCall, "use_cache"}},
    {"Olmo2ForCausalLM", {kDecoderCall, kCausalCall}, causal_lm},
    {"Olmo2ForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 1}, {"eos_token_id", 50279}};

extern const Arch kOlmo2;
const Arch kOlmo2{.model_type = "olmo2",
                  .prefix = "model.",
                  .spec = olmo2,
                  .encoder = {},
                  .decoder = kRows,
                  .classes = kClasses,
                  .keys =
                      "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
                      "intermediate_size hidden_act rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
                      "rope_theta tie_word_embeddings initializer_range attention_bias num_labels",
                  .defaults = kDefaults,
                  .tie = Tie::kIfSaid,
                  .manners = {.span_loss_by_count = true}};

}  // namespace fastplm
