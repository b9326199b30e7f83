// BERT and RoBERTa: post-norm encoders with learned positions.
// Source: transformers/models/{bert,roberta}/modeling_*.py; arXiv:1810.04805, arXiv:1907.11692.
#include "model/arch.h"

namespace fastplm {

static Spec bert(const Value& c) {
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t head_dim = head_dim_of(width, heads), positions = c.i_in("max_position_embeddings", 512, 1, kMaxSize);
  if (const std::string kind = c.s("position_embedding_type", "absolute"); kind != "absolute") {
    fail(ErrorKind::kUnsupported, "\"position_embedding_type\" is \"", kind, "\"; only \"absolute\" is supported");
  }
  return {
      .width = width,
      .layers = c.i_in("num_hidden_layers", 0, kMaxSize),
      .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize),
                .segments = c.i_in("type_vocab_size", 2, 0, kMaxSize),
                .positions = LearnedPositions{.count = positions},
                .norm = true},
      .norm = {NormKind::kLayer, NormPlace::kPost, c.d("layer_norm_eps", 1e-12)},
      .attention = {{.heads = heads, .head_dim = head_dim, .scale = inverse_sqrt(head_dim)}},
      .mlp = {.width = c.i_in("intermediate_size", 1, kMaxSize), .act = act_from(c.s("hidden_act", "gelu"))},
      .pooler = true,
      .max_length = positions,
  };
}

static Spec roberta(const Value& c) {   // BERT, but positions are counted from past the padding id
  Spec spec = bert(c);
  const int64_t padding = c.i_in("pad_token_id", 1, 0, kMaxSize);
  spec.embed.positions->first = padding + 1;
  spec.embed.positions->skip_padding = true;
  spec.embed.positions->padding_id = padding;
  spec.max_length -= padding + 1;
  return spec;
}

static constexpr WeightRow kWeights[] = {
    {Slot::kTokenEmbed, "embeddings.word_embeddings"},
    {Slot::kPositionEmbed, "embeddings.position_embeddings"},
    {Slot::kSegmentEmbed, "embeddings.token_type_embeddings"},
    {Slot::kEmbedNorm, "embeddings.LayerNorm"},
    {Slot::kQuery, "encoder.layer.{n}.attention.self.query"},
    {Slot::kKey, "encoder.layer.{n}.attention.self.key"},
    {Slot::kValue, "encoder.layer.{n}.attention.self.value"},
    {Slot::kAttentionOut, "encoder.layer.{n}.attention.output.dense"},
    {Slot::kAttentionNorm, "encoder.layer.{n}.attention.output.LayerNorm"},
    {Slot::kMlpUp, "encoder.layer.{n}.intermediate.dense"},
    {Slot::kMlpDown, "encoder.layer.{n}.output.dense"},
    {Slot::kMlpNorm, "encoder.layer.{n}.output.LayerNorm"},
    {Slot::kPooler, "pooler.dense"},
};

extern const Arch kBert, kRoberta;
const Arch kBert{"bert", "bert.", bert, kWeights};
const Arch kRoberta{"roberta", "roberta.", roberta, kWeights};

}  // namespace fastplm
