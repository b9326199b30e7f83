#include "model/arch/seq2seq.h"

#include <cmath>

namespace fastplm {
namespace {

constexpr int64_t kReserved = 2;   // rows of the table of positions, fixed in the source

std::optional<LearnedPositions> positions_of(const Value& c, const Seq2SeqStyle& style, int64_t count) {
  switch (style.waves) {
    case Waves::kNone: return LearnedPositions{count + kReserved, kReserved};
    case Waves::kHalves:
    case Waves::kTurns: return LearnedPositions{.count = count, .waves = style.waves};
    case Waves::kSteps: break;
  }
  const int64_t padding = c.i_in("pad_token_id", 1, 0, kMaxSize);
  return LearnedPositions{padding + 1 + count, padding + 1, padding, Waves::kSteps};
}

StackSpec stack(const Value& c, const Seq2SeqStyle& style, bool decoder) {
  const auto setting = [&](const char* encoders, const char* decoders, int64_t standard, int64_t least) {
    return c.i_in(decoder ? decoders : encoders, standard, least, kMaxSize);
  };
  const int64_t width = c.i_in("d_model", 1024, 1, kMaxSize),
                positions = c.i_in("max_position_embeddings", 1024, 1, kMaxSize);
  const int64_t layers = setting("encoder_layers", "decoder_layers", 12, 0);
  const int64_t heads = setting("encoder_attention_heads", "decoder_attention_heads", 16, 1);
  const int64_t head_dim = head_dim_of(width, heads);
  if (style.waves == Waves::kSteps && width < 4) {
    fail(ErrorKind::kFile, "\"d_model\" is ", width, "; positions made of waves need 4 or more");
  }
  const NormSpec norm{NormKind::kLayer, 1e-5};   // torch's default
  AttentionSpec own{heads, heads, head_dim, inverse_sqrt(head_dim)};
  AttentionSpec cross = own;
  own.see.causal = decoder;
  cross.keys = Source::kEncoder;
  const MlpSpec mlp{setting("encoder_ffn_dim", "decoder_ffn_dim", 4096, 1),
                    act_from(c.s("activation_function", style.act))};
  LayerSpec layer = style.norms_before ? pre_norm(own, mlp, norm) : post_norm(own, mlp, norm);
  if (decoder && style.norms_before) layer.insert(layer.begin() + 1, Sublayer{{{norm, cross}}, {}});
  if (decoder && !style.norms_before) layer.insert(layer.begin() + 1, Sublayer{{{{}, cross}}, norm});
  int64_t vocab = c.i_in("vocab_size", 1, kMaxSize);
  if (decoder && style.own_vocabularies && !c.b("share_encoder_decoder_embeddings", true)) {
    vocab = c.i_in("decoder_vocab_size", vocab, 1, kMaxSize);
  }
  return {.width = width,
          .embed = {.vocab = vocab,
                    .positions = positions_of(c, style, positions),
                    .scale = c.b("scale_embedding", style.scales) ? std::sqrt(double(width)) : 1.0,
                    .scales_given = decoder && style.scales_given,
                    .norm = style.embed_norm ? std::optional(norm) : std::nullopt},
          .kinds = {layer},
          .kind_of = one_kind(layers),
          .weights_of = own_weights(layers),
          .last = style.norms_before ? std::optional(norm) : std::nullopt,
          .max_length = positions};
}

}  // namespace

Spec seq2seq(const Value& c, const Seq2SeqStyle& style) {
  return {.encoder = stack(c, style, false), .decoder = stack(c, style, true)};
}

using Step = HeadStep;
std::vector<HeadOutput> seq2seq_vocabulary(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "lm_head", .bias = "final_logits_bias", .quiet_bias = true}}}};
}

std::vector<HeadOutput> decoder_vocabulary(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "lm_head"}}}};
}

std::vector<HeadOutput> seq2seq_classes(const Value& c) {
  return {{"logits",
           {{Step::kGather},
            {.kind = Step::kDense, .name = "classification_head.dense", .act = Act::kTanh},
            {.kind = Step::kDense, .name = "classification_head.out_proj", .width = labels_of(c)}}}};
}

}  // namespace fastplm
