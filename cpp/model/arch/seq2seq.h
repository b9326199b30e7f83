// What BART and the translation and summary models after it share.
#pragma once
#include "model/arch.h"

namespace fastplm {

struct Seq2SeqStyle {
  bool norms_before = false;   // of attention and MLP, and then one after all layers
  bool embed_norm = false;
  Waves waves = Waves::kNone;  // positions are computed: in halves, from 0 on; in steps, past the padding; or learned
  bool scales = false;  // the embeddings, where the file says nothing
  bool scales_given = false;  // a decoder's input vectors too
  const char* act = "gelu";  // where the file says nothing
  bool own_vocabularies = false;  // of encoder and decoder, if share_encoder_decoder_embeddings says so
};
Spec seq2seq(const Value& config, const Seq2SeqStyle& style);  // throws kFile, kUnsupported

std::vector<HeadOutput> seq2seq_vocabulary(const Value& config);  // lm_head, final_logits_bias
std::vector<HeadOutput> decoder_vocabulary(const Value& config);  // lm_head, of the decoder alone
std::vector<HeadOutput> seq2seq_classes(const Value& config);  // classification_head, of the last eos_token_id

inline constexpr WeightRow kSeq2SeqEncoder[] = {
    {"embed.tokens", "encoder.embed_tokens"},
    {"embed.shared", "shared"},
    {"embed.shared", "decoder.embed_tokens"},
    {"embed.shared", "encoder.embed_tokens"},
    {"embed.positions", "encoder.embed_positions"},
    {"embed.norm", "encoder.layernorm_embedding"},
    {"attention.before", "encoder.layers.{n}.self_attn_layer_norm"},
    {"attention.query", "encoder.layers.{n}.self_attn.q_proj"},
    {"attention.key", "encoder.layers.{n}.self_attn.k_proj"},
    {"attention.value", "encoder.layers.{n}.self_attn.v_proj"},
    {"attention.out", "encoder.layers.{n}.self_attn.out_proj"},
    {"attention.after", "encoder.layers.{n}.self_attn_layer_norm"},
    {"mlp.before", "encoder.layers.{n}.final_layer_norm"},
    {"mlp.up", "encoder.layers.{n}.fc1"},
    {"mlp.down", "encoder.layers.{n}.fc2"},
    {"mlp.after", "encoder.layers.{n}.final_layer_norm"},
    {"last", "encoder.layer_norm"},
};
inline constexpr WeightRow kSeq2SeqDecoder[] = {
    {"embed.tokens", "decoder.embed_tokens"},
    {"embed.shared", "shared"},
    {"embed.shared", "decoder.embed_tokens"},
    {"embed.shared", "encoder.embed_tokens"},
    {"embed.positions", "decoder.embed_positions"},
    {"embed.norm", "decoder.layernorm_embedding"},
    {"attention.before", "decoder.layers.{n}.self_attn_layer_norm"},
    {"attention.query", "decoder.layers.{n}.self_attn.q_proj"},
    {"attention.key", "decoder.layers.{n}.self_attn.k_proj"},
    {"attention.value", "decoder.layers.{n}.self_attn.v_proj"},
    {"attention.out", "decoder.layers.{n}.self_attn.out_proj"},
    {"attention.after", "decoder.layers.{n}.self_attn_layer_norm"},
    {"cross.before", "decoder.layers.{n}.encoder_attn_layer_norm"},
    {"cross.query", "decoder.layers.{n}.encoder_attn.q_proj"},
    {"cross.key", "decoder.layers.{n}.encoder_attn.k_proj"},
    {"cross.value", "decoder.layers.{n}.encoder_attn.v_proj"},
    {"cross.out", "decoder.layers.{n}.encoder_attn.out_proj"},
    {"cross.after", "decoder.layers.{n}.encoder_attn_layer_norm"},
    {"mlp.before", "decoder.layers.{n}.final_layer_norm"},
    {"mlp.up", "decoder.layers.{n}.fc1"},
    {"mlp.down", "decoder.layers.{n}.fc2"},
    {"mlp.after", "decoder.layers.{n}.final_layer_norm"},
    {"last", "decoder.layer_norm"},
};

inline constexpr Alias kSeq2SeqAliases[] = {{"hidden_size", "d_model"},
                                            {"num_hidden_layers", "encoder_layers"},
                                            {"num_attention_heads", "encoder_attention_heads"}};

// Arguments of their calls.
constexpr const char* kSeq2SeqCall =
    "input_ids attention_mask decoder_input_ids decoder_attention_mask encoder_outputs";
constexpr const char* kSeq2SeqEmbeds = "inputs_embeds decoder_inputs_embeds";

// The family's decoder as a language model.
constexpr ModelClass decoder_alone(const char* name) {
  return {.name = name,
          .arguments = {"input_ids attention_mask", kEncoderStates, "cache inputs_embeds",
                        "labels use_cache logits_to_keep"},
          .head = decoder_vocabulary,
          .stacks = Stacks::kDecoder,
          .empty_cross = true};
}

}  // namespace fastplm
