// What T5 and its multilingual relatives share.
#pragma once
#include "model/arch.h"

namespace fastplm {

struct T5Style {
  const char* feed_forward = "relu";   // feed_forward_proj, where the file says nothing
  bool bias_each_layer = false;        // the biases by distance are each layer's own
};
Spec t5_spec(const Value& config, const T5Style& style);   // throws kFile, kUnsupported

std::vector<HeadOutput> t5_vocabulary(const Value& config);          // lm_head
std::vector<HeadOutput> t5_scaled_vocabulary(const Value& config);  // the same, of scaled states if config.json says so
std::vector<HeadOutput> t5_classes(const Value& config);  // classification_head, of the last eos_token_id

inline constexpr WeightRow kT5Encoder[] = {
    {"embed.tokens", "encoder.embed_tokens"},
    {"embed.shared", "shared"},
    {"embed.shared", "encoder.embed_tokens"},
    {"embed.shared", "decoder.embed_tokens"},
    {"attention.buckets", "encoder.block.{n}.layer.0.SelfAttention.relative_attention_bias"},
    {"attention.before", "encoder.block.{n}.layer.0.layer_norm"},
    {"attention.query", "encoder.block.{n}.layer.0.SelfAttention.q"},
    {"attention.key", "encoder.block.{n}.layer.0.SelfAttention.k"},
    {"attention.value", "encoder.block.{n}.layer.0.SelfAttention.v"},
    {"attention.out", "encoder.block.{n}.layer.0.SelfAttention.o"},
    {"mlp.before", "encoder.block.{n}.layer.1.layer_norm"},
    {"mlp.gate", "encoder.block.{n}.layer.1.DenseReluDense.wi_0"},
    {"mlp.up", "encoder.block.{n}.layer.1.DenseReluDense.wi_1"},
    {"mlp.up", "encoder.block.{n}.layer.1.DenseReluDense.wi"},
    {"mlp.down", "encoder.block.{n}.layer.1.DenseReluDense.wo"},
    {"last", "encoder.final_layer_norm"},
};
inline constexpr WeightRow kT5Decoder[] = {
    {"embed.tokens", "decoder.embed_tokens"},
    {"embed.shared", "shared"},
    {"embed.shared", "encoder.embed_tokens"},
    {"embed.shared", "decoder.embed_tokens"},
    {"attention.buckets", "decoder.block.{n}.layer.0.SelfAttention.relative_attention_bias"},
    {"attention.before", "decoder.block.{n}.layer.0.layer_norm"},
    {"attention.query", "decoder.block.{n}.layer.0.SelfAttention.q"},
    {"attention.key", "decoder.block.{n}.layer.0.SelfAttention.k"},
    {"attention.value", "decoder.block.{n}.layer.0.SelfAttention.v"},
    {"attention.out", "decoder.block.{n}.layer.0.SelfAttention.o"},
    {"cross.before", "decoder.block.{n}.layer.1.layer_norm"},
    {"cross.query", "decoder.block.{n}.layer.1.EncDecAttention.q"},
    {"cross.key", "decoder.block.{n}.layer.1.EncDecAttention.k"},
    {"cross.value", "decoder.block.{n}.layer.1.EncDecAttention.v"},
    {"cross.out", "decoder.block.{n}.layer.1.EncDecAttention.o"},
    {"mlp.before", "decoder.block.{n}.layer.2.layer_norm"},
    {"mlp.gate", "decoder.block.{n}.layer.2.DenseReluDense.wi_0"},
    {"mlp.up", "decoder.block.{n}.layer.2.DenseReluDense.wi_1"},
    {"mlp.up", "decoder.block.{n}.layer.2.DenseReluDense.wi"},
    {"mlp.down", "decoder.block.{n}.layer.2.DenseReluDense.wo"},
    {"last", "decoder.final_layer_norm"},
};

inline constexpr Alias kT5Aliases[] = {{"hidden_size", "d_model"},
                                       {"num_attention_heads", "num_heads"},
                                       {"num_hidden_layers", "num_layers"},
                                       {"head_dim", "d_kv"}};

// Arguments of their calls.
constexpr const char* kT5Call =
    "input_ids attention_mask decoder_input_ids decoder_attention_mask encoder_outputs cache inputs_embeds "
    "decoder_inputs_embeds";
constexpr const char* kT5HeadCall = "input_ids attention_mask decoder_input_ids decoder_attention_mask encoder_outputs";
constexpr const char* kT5Embeds = "inputs_embeds decoder_inputs_embeds";
constexpr const char* kT5EncoderCall = "input_ids attention_mask inputs_embeds";

}  // namespace fastplm
