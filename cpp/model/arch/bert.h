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

}  // namespace fastplm
