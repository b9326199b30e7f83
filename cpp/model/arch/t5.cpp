// The T5 encoder: pre-norm with RMSNorm, unscaled scores with a learned bias by bucketed distance, no biases.
// Source: transformers/models/t5/{configuration,modeling}_t5.py; arXiv:1910.10683, arXiv:2002.05202 (gated).
#include "model/arch.h"

namespace fastplm {

// feed_forward_proj is "<activation>" or "gated-<activation>"; "gated-gelu" means the tanh form.
static MlpSpec mlp_of(const Value& c) {
  std::string name = c.s("feed_forward_proj", "relu");
  const bool gated = name.starts_with("gated-");
  if (gated) name = name == "gated-gelu" ? "gelu_new" : name.substr(6);
  return {.width = c.i_in("d_ff", 1, kMaxSize), .act = act_from(name), .gated = gated, .bias = false};
}

static Spec t5(const Value& c) {
  return {
      .width = c.i_in("d_model", 1, kMaxSize),
      .layers = c.i_in("num_layers", 0, kMaxSize),
      .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize)},
      .norm = {NormKind::kRms, NormPlace::kPre, c.d("layer_norm_epsilon", 1e-6), false},
      .attention = {{.heads = c.i_in("num_heads", 1, kMaxSize),
                     .head_dim = c.i_in("d_kv", 1, kMaxSize),
                     .scale = 1.0,
                     .bias = false,
                     .score = BucketBias{c.i_in("relative_attention_num_buckets", 32, 4, kMaxSize),
                                         c.i_in("relative_attention_max_distance", 128, 2, kMaxSize)}}},
      .mlp = mlp_of(c),
      .final_norm = true,
  };
}

static constexpr WeightRow kWeights[] = {
    {Slot::kTokenEmbed, "shared"},
    {Slot::kTokenEmbed, "encoder.embed_tokens"},
    {Slot::kDistanceBias, "encoder.block.0.layer.0.SelfAttention.relative_attention_bias"},
    {Slot::kAttentionNorm, "encoder.block.{n}.layer.0.layer_norm"},
    {Slot::kQuery, "encoder.block.{n}.layer.0.SelfAttention.q"},
    {Slot::kKey, "encoder.block.{n}.layer.0.SelfAttention.k"},
    {Slot::kValue, "encoder.block.{n}.layer.0.SelfAttention.v"},
    {Slot::kAttentionOut, "encoder.block.{n}.layer.0.SelfAttention.o"},
    {Slot::kMlpNorm, "encoder.block.{n}.layer.1.layer_norm"},
    {Slot::kMlpGate, "encoder.block.{n}.layer.1.DenseReluDense.wi_0"},
    {Slot::kMlpUp, "encoder.block.{n}.layer.1.DenseReluDense.wi_1"},
    {Slot::kMlpUp, "encoder.block.{n}.layer.1.DenseReluDense.wi"},
    {Slot::kMlpDown, "encoder.block.{n}.layer.1.DenseReluDense.wo"},
    {Slot::kFinalNorm, "encoder.final_layer_norm"},
};

extern const Arch kT5;
const Arch kT5{"t5", "", t5, kWeights};

}  // namespace fastplm
