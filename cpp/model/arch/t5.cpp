// T5: pre-norm with RMSNorm, unscaled scores with a learned bias by bucketed distance, no other biases.
// Source: transformers/models/t5/{configuration,modeling}_t5.py; arXiv:1910.10683, arXiv:2002.05202 (gated).
#include "model/arch.h"

namespace fastplm {

// feed_forward_proj is "<activation>" or "gated-<activation>"; "gated-gelu" means the tanh form.
static MlpSpec mlp_of(const Value& c) {
  std::string name = c.s("feed_forward_proj", "relu");
  const bool gated = name.starts_with("gated-");
  if (gated) name = name == "gated-gelu" ? "gelu_new" : name.substr(6);
  // What files say a second time: transformers lets it win where the two differ.
  if (const std::string said = c.s("dense_act_fn", name); said != name) {
    fail(ErrorKind::kUnsupported, "dense_act_fn is \"", said, "\"; expected \"", name, "\", as feed_forward_proj says");
  }
  if (c.b("is_gated_act", gated) != gated) {
    fail(ErrorKind::kUnsupported, "is_gated_act is ", gated ? "false" : "true", "; feed_forward_proj says otherwise");
  }
  return {.width = c.i_in("d_ff", 1, kMaxSize), .act = act_from(name), .gated = gated, .bias = false};
}

static StackSpec stack(const Value& c, bool decoder) {
  const int64_t heads = c.i_in("num_heads", 1, kMaxSize), head_dim = c.i_in("d_kv", 1, kMaxSize);
  const int64_t encoders = c.i_in("num_layers", 0, kMaxSize);
  const int64_t layers = decoder ? c.i_in("num_decoder_layers", encoders, 0, kMaxSize) : encoders;
  const NormSpec norm{NormKind::kRms, c.d("layer_norm_epsilon", 1e-6), false};
  AttentionSpec own{heads, heads, head_dim, 1.0, false, false};
  AttentionSpec cross = own;
  own.see.causal = decoder;
  own.score = Buckets{c.i_in("relative_attention_num_buckets", 32, 4, kMaxSize),
                      c.i_in("relative_attention_max_distance", 128, 2, kMaxSize), !decoder};
  cross.keys = Source::kEncoder;
  LayerSpec layer = pre_norm(own, mlp_of(c), norm);
  if (decoder) layer.insert(layer.begin() + 1, Sublayer{{{norm, cross}}, {}});
  return {.width = c.i_in("d_model", 1, kMaxSize),
          .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize)},
          .kinds = {layer},
          .kind_of = one_kind(layers),
          .weights_of = own_weights(layers),
          .last = norm};
}

static Spec t5(const Value& c) { return {.encoder = stack(c, false), .decoder = stack(c, true)}; }

static constexpr WeightRow kEncoder[] = {
    {"embed.tokens", "encoder.embed_tokens"},
    {"embed.shared", "shared"},
    {"embed.shared", "encoder.embed_tokens"},
    {"embed.shared", "decoder.embed_tokens"},
    {"attention.buckets", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias"},
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
static constexpr WeightRow kDecoder[] = {
    {"embed.tokens", "decoder.embed_tokens"},
    {"embed.shared", "shared"},
    {"embed.shared", "encoder.embed_tokens"},
    {"embed.shared", "decoder.embed_tokens"},
    {"attention.buckets", "decoder.block.0.layer.0.SelfAttention.relative_attention_bias"},
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

static std::vector<HeadOutput> vocabulary(const Value& c) {
  std::vector<HeadStep> steps = {{.kind = HeadStep::kVocab, .name = "lm_head"}};
  if (c.b("scale_decoder_outputs", c.b("tie_word_embeddings", true))) {
    steps.insert(steps.begin(), {.kind = HeadStep::kScale, .factor = inverse_sqrt(c.i("d_model"))});
  }
  return {{"logits", steps}};
}

static constexpr const char* kCall =
    "input_ids attention_mask decoder_input_ids decoder_attention_mask encoder_outputs cache inputs_embeds "
    "decoder_inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"T5Model", {kCall, "use_cache"}},
    {.name = "T5EncoderModel",
     .arguments = {"input_ids attention_mask inputs_embeds"},
     .stacks = Stacks::kEncoder,
     .empty_cross = true},
    {"T5ForConditionalGeneration", {kCall, "labels use_cache"}, vocabulary},
};
static constexpr Alias kAliases[] = {{"hidden_size", "d_model"},
                                     {"num_attention_heads", "num_heads"},
                                     {"num_hidden_layers", "num_layers"},
                                     {"head_dim", "d_kv"}};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}, {"eos_token_id", 1}};

extern const Arch kT5;
const Arch kT5{.model_type = "t5",
               .prefix = "",
               .spec = t5,
               .encoder = kEncoder,
               .decoder = kDecoder,
               .classes = kClasses,
               .keys =
                   "vocab_size d_model d_kv d_ff num_layers num_heads relative_attention_num_buckets "
                   "relative_attention_max_distance layer_norm_epsilon feed_forward_proj dense_act_fn "
                   "is_gated_act num_decoder_layers tie_word_embeddings scale_decoder_outputs",
               .aliases = kAliases,
               .defaults = kDefaults,
               .tie = Tie::kAlways};

}  // namespace fastplm
