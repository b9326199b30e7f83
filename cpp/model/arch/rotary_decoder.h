// What decoders with rotary positions, RMSNorm and gated MLPs share: Llama and those after it.
#pragma once
#include "model/arch/rope.h"

namespace fastplm {

struct DecoderSizes {
  int64_t width, heads, kv_heads, head_dim, layers;
};

// What transformers' config of the family says where the file says nothing. 0: as many key heads as heads, heads as
// wide as their share of the width.
struct SizeDefaults {
  int64_t kv_heads = 0, head_dim = 0;
};
DecoderSizes decoder_sizes(const Value& config, const SizeDefaults& defaults = {});   // throws kFile

AttentionSpec causal_attention(const DecoderSizes& sizes, bool qkv_bias, bool out_bias);
MlpSpec gated_mlp(const Value& config, bool bias);   // intermediate_size, hidden_act
NormSpec rms_norm(const Value& config, double eps = 1e-6);   // rms_norm_eps
StackSpec decoder_stack(const Value& config, const DecoderSizes& sizes, const NormSpec& last);   // without layers

// Tokens see those less than a window away, which transformers counts with the token itself. Throws kFile for none.
Visible window_of(const Value& config, int64_t standard, bool causal = true);

enum LayerKind : int { kFull, kSliding };
// Of each layer: what layer_types names, or `standard` of its number. Throws kFile for another name or count.
std::vector<int> layer_kinds(const Value& config, int64_t layers, int (*standard)(const Value& config, int64_t layer));

// Fills the layers of `stack` as Qwen2 and Qwen3 do: those from max_window_layers on have a window if
// use_sliding_window is set. Throws kFile if layer_types names windows without it.
void windows_in_later_layers(const Value& config, StackSpec& stack, AttentionSpec attention, const MlpSpec& mlp,
                             const NormSpec& norm);

double positive(const Value& config, const char* name, double standard);   // throws kFile unless above 0

// Checkpoints of most of them. Rows that a Spec has no use for are never asked for.
inline constexpr WeightRow kDecoderRows[] = {
    {"embed.tokens", "embed_tokens"},
    {"attention.before", "layers.{n}.input_layernorm"},
    {"attention.query", "layers.{n}.self_attn.q_proj"},
    {"attention.key", "layers.{n}.self_attn.k_proj"},
    {"attention.value", "layers.{n}.self_attn.v_proj"},
    {"attention.query_norm", "layers.{n}.self_attn.q_norm"},
    {"attention.key_norm", "layers.{n}.self_attn.k_norm"},
    {"attention.out", "layers.{n}.self_attn.o_proj"},
    {"mlp.before", "layers.{n}.post_attention_layernorm"},
    {"mlp.gate", "layers.{n}.mlp.gate_proj"},
    {"mlp.up", "layers.{n}.mlp.up_proj"},
    {"mlp.down", "layers.{n}.mlp.down_proj"},
    {"last", "norm"},
};

std::vector<HeadOutput> causal_lm(const Value& config);          // lm_head
std::vector<HeadOutput> sequence_classes(const Value& config);   // score, of the last token
std::vector<HeadOutput> token_classes(const Value& config);      // score

// Arguments of their calls.
constexpr const char* kDecoderCall = "input_ids attention_mask position_ids cache inputs_embeds";
constexpr const char* kWithLabels = "labels use_cache";
constexpr const char* kCausalCall = "labels use_cache logits_to_keep";

}  // namespace fastplm
