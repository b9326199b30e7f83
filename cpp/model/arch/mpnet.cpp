// MPNet: a post-norm encoder that has learned positions and, beside them, a bias by bucketed distance.
// Source: transformers/models/mpnet/modeling_mpnet.py; arXiv:2004.09297.
#include "model/arch.h"

namespace fastplm {

static Spec mpnet(const Value& c) {
  constexpr int64_t kPadding = 1, kMaxDistance = 128;  // fixed in the source
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t head_dim = head_dim_of(width, heads), positions = c.i_in("max_position_embeddings", 512, 1, kMaxSize);
  return {
      .width = width,
      .layers = c.i_in("num_hidden_layers", 0, kMaxSize),
      .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize),
                .positions = LearnedPositions{positions, kPadding + 1, true, kPadding},
                .norm = true},
      .norm = {NormKind::kLayer, NormPlace::kPost, c.d("layer_norm_eps", 1e-12)},
      .attention = {{.heads = heads,
                     .head_dim = head_dim,
                     .scale = inverse_sqrt(head_dim),
                     .score = BucketBias{c.i_in("relative_attention_num_buckets", 32, 4, kMaxSize), kMaxDistance}}},
      .mlp = {.width = c.i_in("intermediate_size", 1, kMaxSize), .act = act_from(c.s("hidden_act", "gelu"))},
      .pooler = true,
      .max_length = positions - kPadding - 1,
  };
}

static constexpr WeightRow kWeights[] = {
    {Slot::kTokenEmbed, "embeddings.word_embeddings"},
    {Slot::kPositionEmbed, "embeddings.position_embeddings"},
    {Slot::kEmbedNorm, "embeddings.LayerNorm"},
    {Slot::kDistanceBias, "encoder.relative_attention_bias"},
    {Slot::kQuery, "encoder.layer.{n}.attention.attn.q"},
    {Slot::kKey, "encoder.layer.{n}.attention.attn.k"},
    {Slot::kValue, "encoder.layer.{n}.attention.attn.v"},
    {Slot::kAttentionOut, "encoder.layer.{n}.attention.attn.o"},
    {Slot::kAttentionNorm, "encoder.layer.{n}.attention.LayerNorm"},
    {Slot::kMlpUp, "encoder.layer.{n}.intermediate.dense"},
    {Slot::kMlpDown, "encoder.layer.{n}.output.dense"},
    {Slot::kMlpNorm, "encoder.layer.{n}.output.LayerNorm"},
    {Slot::kPooler, "pooler.dense"},
};

extern const Arch kMpnet;
const Arch kMpnet{"mpnet", "mpnet.", mpnet, kWeights};

}  // namespace fastplm
