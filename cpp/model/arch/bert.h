// What the families that follow BERT have in common with it.
#pragma once
#include "model/arch.h"

namespace fastplm {

Spec bert_spec(const Value& config);      // post-norm, learned positions that begin at 0
Spec roberta_spec(const Value& config);   // the same, with positions counted from past the padding id

inline constexpr WeightRow kBertWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.positions", "embeddings.position_embeddings"},
    {"embed.segments", "embeddings.token_type_embeddings"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"embed.project", "embeddings_project"},
    {"attention.query", "encoder.layer.{n}.attention.self.query"},
    {"attention.key", "encoder.layer.{n}.attention.self.key"},
    {"attention.value", "encoder.layer.{n}.attention.self.value"},
    {"attention.out", "encoder.layer.{n}.attention.output.dense"},
    {"attention.after", "encoder.layer.{n}.attention.output.LayerNorm"},
    {"mlp.up", "encoder.layer.{n}.intermediate.dense"},
    {"mlp.down", "encoder.layer.{n}.output.dense"},
    {"mlp.after", "encoder.layer.{n}.output.LayerNorm"},
};

inline constexpr const char* kRobertaKeys =
    "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings "
    "type_vocab_size hidden_act layer_norm_eps pad_token_id num_labels tie_word_embeddings initializer_range "
    "is_decoder";
inline constexpr Default kRobertaDefaults[] = {{"pad_token_id", 1}, {"bos_token_id", 0}, {"eos_token_id", 2}};
inline constexpr const char* kDecodingCall = "labels cache use_cache logits_to_keep";
inline constexpr const char* kRobertaChoices =
    "input_ids token_type_ids attention_mask labels position_ids inputs_embeds";

}  // namespace fastplm
