// DistilBERT: BERT without segments and without a pooler.
// Source: transformers/models/distilbert/{configuration,modeling}_distilbert.py; arXiv:1910.01108.
#include "model/arch.h"

namespace fastplm {

static constexpr NormSpec kNorm{NormKind::kLayer, 1e-12};   // fixed in the source

static Spec distilbert(const Value& c) {
  const int64_t width = c.i_in("dim", 768, 1, kMaxSize), heads = c.i_in("n_heads", 12, 1, kMaxSize);
  const int64_t layers = c.i_in("n_layers", 6, 0, kMaxSize), head_dim = head_dim_of(width, heads);
  const int64_t positions = c.i_in("max_position_embeddings", 512, 1, kMaxSize);
  const AttentionSpec attention{heads, heads, head_dim, inverse_sqrt(head_dim)};
  const MlpSpec mlp{c.i_in("hidden_dim", 3072, 1, kMaxSize), act_from(c.s("activation", "gelu"))};
  LearnedPositions table{positions};
  if (c.b("sinusoidal_pos_embds", false)) table.waves = Waves::kTurns;
  return {.encoder = StackSpec{.width = width,
                               .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize), .positions = table, .norm = kNorm},
                               .kinds = {post_norm(attention, mlp, kNorm)},
                               .kind_of = one_kind(layers),
                               .weights_of = own_weights(layers),
                               .max_length = positions},
          .decoder = {}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.positions", "embeddings.position_embeddings"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"attention.query", "transformer.layer.{n}.attention.q_lin"},
    {"attention.key", "transformer.layer.{n}.attention.k_lin"},
    {"attention.value", "transformer.layer.{n}.attention.v_lin"},
    {"attention.out", "transformer.layer.{n}.attention.out_lin"},
    {"attention.after", "transformer.layer.{n}.sa_layer_norm"},
    {"mlp.up", "transformer.layer.{n}.ffn.lin1"},
    {"mlp.down", "transformer.layer.{n}.ffn.lin2"},
    {"mlp.after", "transformer.layer.{n}.output_layer_norm"},
};

using Step = HeadStep;
static std::vector<HeadOutput> masked_lm(const Value& c) {
  return {{"logits",
           {{.kind = Step::kDense, .name = "vocab_transform", .act = act_from(c.s("activation", "gelu"))},
            {.kind = Step::kNorm, .name = "vocab_layer_norm", .norm = kNorm},
            {.kind = Step::kVocab, .name = "vocab_projector", .bias = "vocab_projector.bias"}}}};
}
static std::vector<HeadOutput> classes(int64_t count) {
  return {{"logits",
           {{Step::kFirst},
            {.kind = Step::kDense, .name = "pre_classifier", .act = Act::kRelu},
            {.kind = Step::kDense, .name = "classifier", .width = count}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) { return classes(labels_of(c)); }
static std::vector<HeadOutput> choice(const Value&) { return classes(1); }

static constexpr const char* kCall = "input_ids attention_mask inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"DistilBertModel", {kCall, "position_ids"}},
    {"DistilBertForMaskedLM", {kCall, "labels position_ids"}, masked_lm},
    {"DistilBertForSequenceClassification", {kCall, "labels position_ids"}, sequence_classes},
    {"DistilBertForTokenClassification", {kCall, "labels position_ids"}, token_head},
    {"DistilBertForQuestionAnswering", {kCall, kSpans, "position_ids"}, span_head},
    {"DistilBertForMultipleChoice", {kCall, "labels position_ids"}, choice},
};
static constexpr Alias kAliases[] = {
    {"hidden_size", "dim"}, {"num_hidden_layers", "n_layers"}, {"num_attention_heads", "n_heads"}};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}};

extern const Arch kDistilBert;
const Arch kDistilBert{.model_type = "distilbert",
                       .prefix = "distilbert.",
                       .spec = distilbert,
                       .encoder = kWeights,
                       .decoder = {},
                       .classes = kClasses,
                       .keys =
                           "vocab_size dim n_layers n_heads hidden_dim max_position_embeddings activation "
                           "sinusoidal_pos_embds num_labels tie_word_embeddings initializer_range",
                       .aliases = kAliases,
                       .defaults = kDefaults};

}  // namespace fastplm
