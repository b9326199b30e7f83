// BART: a post-norm encoder and decoder with learned positions, which begin behind two reserved rows.
// Source: transformers/models/bart/{configuration,modeling}_bart.py; arXiv:1910.13461.
#include <cmath>

#include "model/arch.h"

namespace fastplm {

static StackSpec stack(const Value& c, bool decoder) {
  constexpr int64_t kReserved = 2;   // rows of the table of positions, fixed in the source
  const auto setting = [&](const char* encoders, const char* decoders, int64_t standard, int64_t least) {
    return c.i_in(decoder ? decoders : encoders, standard, least, kMaxSize);
  };
  const int64_t width = c.i_in("d_model", 1024, 1, kMaxSize),
                positions = c.i_in("max_position_embeddings", 1024, 1, kMaxSize);
  const int64_t layers = setting("encoder_layers", "decoder_layers", 12, 0);
  const int64_t heads = setting("encoder_attention_heads", "decoder_attention_heads", 16, 1);
  const int64_t head_dim = head_dim_of(width, heads);
  const NormSpec norm{NormKind::kLayer, 1e-5};   // torch's default
  AttentionSpec own{heads, heads, head_dim, inverse_sqrt(head_dim)};
  AttentionSpec cross = own;
  own.see.causal = decoder;
  cross.keys = Source::kEncoder;
  const MlpSpec mlp{setting("encoder_ffn_dim", "decoder_ffn_dim", 4096, 1),
                    act_from(c.s("activation_function", "gelu"))};
  LayerSpec layer = post_norm(own, mlp, norm);
  if (decoder) layer.insert(layer.begin() + 1, Sublayer{{{{}, cross}}, norm});
  return {.width = width,
          .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize),
                    .positions = LearnedPositions{positions + kReserved, kReserved},
                    .scale = c.b("scale_embedding", false) ? std::sqrt(double(width)) : 1.0,
                    .norm = norm},
          .kinds = {layer},
          .kind_of = one_kind(layers),
          .weights_of = own_weights(layers),
          .max_length = positions};
}

static Spec bart(const Value& c) { return {.encoder = stack(c, false), .decoder = stack(c, true)}; }

static constexpr WeightRow kEncoder[] = {
    {"embed.tokens", "encoder.embed_tokens"},
    {"embed.shared", "shared"},
    {"embed.shared", "decoder.embed_tokens"},
    {"embed.shared", "encoder.embed_tokens"},
    {"embed.positions", "encoder.embed_positions"},
    {"embed.norm", "encoder.layernorm_embedding"},
    {"attention.query", "encoder.layers.{n}.self_attn.q_proj"},
    {"attention.key", "encoder.layers.{n}.self_attn.k_proj"},
    {"attention.value", "encoder.layers.{n}.self_attn.v_proj"},
    {"attention.out", "encoder.layers.{n}.self_attn.out_proj"},
    {"attention.after", "encoder.layers.{n}.self_attn_layer_norm"},
    {"mlp.up", "encoder.layers.{n}.fc1"},
    {"mlp.down", "encoder.layers.{n}.fc2"},
    {"mlp.after", "encoder.layers.{n}.final_layer_norm"},
};
static constexpr WeightRow kDecoder[] = {
    {"embed.tokens", "decoder.embed_tokens"},
    {"embed.shared", "shared"},
    {"embed.shared", "decoder.embed_tokens"},
    {"embed.shared", "encoder.embed_tokens"},
    {"embed.positions", "decoder.embed_positions"},
    {"embed.norm", "decoder.layernorm_embedding"},
    {"attention.query", "decoder.layers.{n}.self_attn.q_proj"},
    {"attention.key", "decoder.layers.{n}.self_attn.k_proj"},
    {"attention.value", "decoder.layers.{n}.self_attn.v_proj"},
    {"attention.out", "decoder.layers.{n}.self_attn.out_proj"},
    {"attention.after", "decoder.layers.{n}.self_attn_layer_norm"},
    {"cross.query", "decoder.layers.{n}.encoder_attn.q_proj"},
    {"cross.key", "decoder.layers.{n}.encoder_attn.k_proj"},
    {"cross.value", "decoder.layers.{n}.encoder_attn.v_proj"},
    {"cross.out", "decoder.layers.{n}.encoder_attn.out_proj"},
    {"cross.after", "decoder.layers.{n}.encoder_attn_layer_norm"},
    {"mlp.up", "decoder.layers.{n}.fc1"},
    {"mlp.down", "decoder.layers.{n}.fc2"},
    {"mlp.after", "decoder.layers.{n}.final_layer_norm"},
};

using Step = HeadStep;
static std::vector<HeadOutput> vocabulary(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "lm_head", .bias = "final_logits_bias", .quiet_bias = true}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {{"logits",
           {{Step::kGather},
            {.kind = Step::kDense, .name = "classification_head.dense", .act = Act::kTanh},
            {.kind = Step::kDense, .name = "classification_head.out_proj", .width = labels_of(c)}}}};
}

static constexpr const char* kCall =
    "input_ids attention_mask decoder_input_ids decoder_attention_mask encoder_outputs";
static constexpr const char* kEmbeds = "inputs_embeds decoder_inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"BartModel", {kCall, "cache", kEmbeds, "use_cache"}},
    {.name = "BartForConditionalGeneration",
     .arguments = {kCall, "cache", kEmbeds, "labels use_cache"},
     .head = vocabulary,
     .also = "ForMaskedLM"},   // it was trained so
    {"BartForSequenceClassification", {kCall, kEmbeds, "labels use_cache"}, sequence_classes, Pick::kLastEnd},
    {"BartForQuestionAnswering", {kCall, kSpans, kEmbeds, "use_cache"}, span_head},
};
static constexpr Alias kAliases[] = {{"hidden_size", "d_model"},
                                     {"num_hidden_layers", "encoder_layers"},
                                     {"num_attention_heads", "encoder_attention_heads"}};
static constexpr Default kDefaults[] = {
    {"pad_token_id", 1}, {"bos_token_id", 0}, {"eos_token_id", 2}, {"decoder_start_token_id", 2}, {"num_labels", 3}};

extern const Arch kBart;
const Arch kBart{
    .model_type = "bart",
    .prefix = "model.",
    .spec = bart,
    .encoder = kEncoder,
    .decoder = kDecoder,
    .classes = kClasses,
    .keys =
        "vocab_size d_model max_position_embeddings encoder_layers decoder_layers encoder_attention_heads "
        "decoder_attention_heads encoder_ffn_dim decoder_ffn_dim activation_function scale_embedding init_std "
        "num_labels tie_word_embeddings",
    .aliases = kAliases,
    .defaults = kDefaults,
    .manners = {.shifts_input_ids = true, .labels_stop_cache = true, .counts_encoder_layers = true}};

}  // namespace fastplm
