// What Gemma 2 and 3 share.
#pragma once
#include "model/arch/rotary_decoder.h"

namespace fastplm {

// Layers with norms on both sides of attention and MLP: kFull with one kind of attention, kSliding with the other.
StackSpec gemma_stack(const Value& config, const DecoderSizes& sizes, const AttentionSpec& full,
                      const AttentionSpec& sliding, std::vector<int> kind_of);

// lm_head, with logits capped at final_logit_softcapping; `standard`: the cap where the file says nothing, 0: none.
std::vector<HeadOutput> capped_lm(const Value& config, double standard);

inline constexpr WeightRow kGemmaRows[] = {
    {"embed.tokens", "embed_tokens"},
    {"attention.before", "layers.{n}.input_layernorm", Load::kLessOne},
    {"attention.query", "layers.{n}.self_attn.q_proj"},
    {"attention.key", "layers.{n}.self_attn.k_proj"},
    {"attention.value", "layers.{n}.self_attn.v_proj"},
    {"attention.query_norm", "layers.{n}.self_attn.q_norm", Load::kLessOne},
    {"attention.key_norm", "layers.{n}.self_attn.k_norm", Load::kLessOne},
    {"attention.out", "layers.{n}.self_attn.o_proj"},
    {"attention.inner", "layers.{n}.post_attention_layernorm", Load::kLessOne},
    {"mlp.before", "layers.{n}.pre_feedforward_layernorm", Load::kLessOne},
    {"mlp.gate", "layers.{n}.mlp.gate_proj"},
    {"mlp.up", "layers.{n}.mlp.up_proj"},
    {"mlp.down", "layers.{n}.mlp.down_proj"},
    {"mlp.inner", "layers.{n}.post_feedforward_layernorm", Load::kLessOne},
    {"last", "norm", Load::kLessOne},
};

}  // namespace fastplm
