// Phi-3: Llama with fused projections, and rotary positions that change beyond the original length.
// Source: transformers/models/phi3/{configuration,modeling}_phi3.py; arXiv:2404.14219.
#include "model/arch/rotary_decoder.h"

namespace fastplm {

static Spec phi3(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c);
  const NormSpec norm = rms_norm(c, 1e-5);
  AttentionSpec attention = causal_attention(sizes, false, false);
  if (c.has("sliding_window")) attention.see = window_of(c, 0);
  attention.score = rope_of(c, {.head_dim = sizes.head_dim,
                                .positions = 4096,
                                .part_name = "partial_rotary_factor",
                                .original_name = "original_max_position_embeddings",
                                .long_names = {"su", "yarn"}});
  StackSpec stack = decoder_stack(c, sizes, norm);
  stack.kinds = {pre_norm(attention, gated_mlp(c, false), norm)};
  return {.encoder = {}, .decoder = stack};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embed_tokens"},
    {"attention.before", "layers.{n}.input_layernorm"},
    {"attention.qkv", "layers.{n}.self_attn.qkv_proj"},
    {"attention.out", "layers.{n}.self_attn.o_proj"},
    {"mlp.before", "layers.{n}.post_attention_layernorm"},
    {"mlp.gate_up", "layers.{n}.mlp.gate_up_proj"},
    {"mlp.down", "layers.{n}.mlp.down_proj"},
    {"last", "norm"},
};

static constexpr ModelClass kClasses[] = {
    {"Phi3Model", {kDecoderCall, "use_cache"}},
    {"Phi3ForCausalLM", {kDecoderCall, kCausalCall}, causal_lm},
    {"Phi3ForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
    {"Phi3ForTokenClassification", {kDecoderCall, kWithLabels}, token_classes},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 32000}, {"bos_token_id", 1}, {"eos_token_id", 32000}};

extern const Arch kPhi3;
const Arch kPhi3{.model_type = "phi3",
                 .prefix = "model.",
                 .spec = phi3,
                 .encoder = {},
                 .decoder = kWeights,
                 .classes = kClasses,
                 .keys =
                     "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
                     "intermediate_size hidden_act rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
                     "rope_theta tie_word_embeddings initializer_range original_max_position_embeddings "
                     "partial_rotary_factor sliding_window num_labels token_classification_bias",
                 .defaults = kDefaults,
                 .tie = Tie::kIfSaid,
                 .manners = {.keeps_cache_back = true, .span_loss_by_count = true}};

}  // namespace fastplm
