// XLM: a post-norm encoder whose embeddings may tell languages apart.
// Source: transformers/models/xlm/{configuration,modeling}_xlm.py; arXiv:1901.07291.
#include "model/arch.h"

namespace fastplm {

static Spec xlm(const Value& c) {
  const int64_t width = c.i_in("emb_dim", 2048, 1, kMaxSize), heads = c.i_in("n_heads", 16, 1, kMaxSize);
  const int64_t layers = c.i_in("n_layers", 12, 0, kMaxSize), head_dim = head_dim_of(width, heads);
  const int64_t positions = c.i_in("max_position_embeddings", 512, 1, kMaxSize);
  const int64_t languages = c.i_in("n_langs", 1, 0, kMaxSize);
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", 1e-12)};
  AttentionSpec attention{heads, heads, head_dim, inverse_sqrt(head_dim)};
  attention.see.causal = c.b("causal", false);
  const MlpSpec mlp{4 * width, c.b("gelu_activation", true) ? Act::kGeluErf : Act::kRelu};
  LearnedPositions table{positions};
  table.sinusoid = c.b("sinusoidal_embeddings", false);
  return {.encoder = StackSpec{.width = width,
                               .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize),
                                         .positions = table,
                                         .norm = norm,
                                         .languages = languages > 1 && c.b("use_lang_emb", true) ? languages : 0,
                                         .segments_are_tokens = true},
                               .kinds = {post_norm(attention, mlp, norm)},
                               .kind_of = one_kind(layers),
                               .weights_of = own_weights(layers),
                               .max_length = positions,
                               .hidden = Hidden::kZero},
          .decoder = {}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embeddings"},
    {"embed.positions", "position_embeddings"},
    {"embed.languages", "lang_embeddings"},
    {"embed.norm", "layer_norm_emb"},
    {"attention.query", "attentions.{n}.q_lin"},
    {"attention.key", "attentions.{n}.k_lin"},
    {"attention.value", "attentions.{n}.v_lin"},
    {"attention.out", "attentions.{n}.out_lin"},
    {"attention.after", "layer_norm1.{n}"},
    {"mlp.up", "ffns.{n}.lin1"},
    {"mlp.down", "ffns.{n}.lin2"},
    {"mlp.after", "layer_norm2.{n}"},
};

using Step = HeadStep;
static std::vector<HeadOutput> vocabulary(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "pred_layer.proj", .bias = "pred_layer.proj.bias"}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {{"logits", summary(c, "sequence_summary.summary", "", labels_of(c))}};
}
static std::vector<HeadOutput> choice(const Value& c) {
  std::vector<HeadOutput> head = sequence_classes(c);
  head[0].steps.push_back({.kind = Step::kDense, .name = "logits_proj", .width = 1});
  return head;
}

static constexpr ModelClass kClasses[] = {
    {"XLMModel"},
    {"XLMWithLMHeadModel", vocabulary},
    {"XLMForSequenceClassification", sequence_classes},
    {"XLMForTokenClassification", token_head},
    {"XLMForQuestionAnsweringSimple", span_head},
    {"XLMForMultipleChoice", choice},
};

extern const Arch kXlm;
const Arch kXlm{"xlm", "transformer.", xlm, kWeights, {}, kClasses};

}  // namespace fastplm
