// MPNet: a post-norm encoder that has learned positions and, beside them, a bias by bucketed distance.
// Source: transformers/models/mpnet/modeling_mpnet.py; arXiv:2004.09297.
#include "model/arch.h"

namespace fastplm {

static Spec mpnet(const Value& c) {
  constexpr int64_t kPadding = 1, kMaxDistance = 128;  // fixed in the source
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t layers = c.i_in("num_hidden_layers", 0, kMaxSize), head_dim = head_dim_of(width, heads);
  const int64_t positions = c.i_in("max_position_embeddings", 512, 1, kMaxSize);
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", 1e-12)};
  AttentionSpec attention{heads, heads, head_dim, inverse_sqrt(head_dim)};
  attention.score = Buckets{c.i_in("relative_attention_num_buckets", 32, 4, kMaxSize), kMaxDistance, true};
  const MlpSpec mlp{c.i_in("intermediate_size", 1, kMaxSize), act_from(c.s("hidden_act", "gelu"))};
  return {.encoder = StackSpec{.width = width,
                               .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize),
                                         .positions = LearnedPositions{positions, kPadding + 1, kPadding},
                                         .norm = norm},
                               .kinds = {post_norm(attention, mlp, norm)},
                               .kind_of = one_kind(layers),
                               .weights_of = own_weights(layers),
                               .max_length = after_padding(positions, kPadding)},
          .decoder = {}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.positions", "embeddings.position_embeddings"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"attention.buckets", "encoder.relative_attention_bias"},
    {"attention.query", "encoder.layer.{n}.attention.attn.q"},
    {"attention.key", "encoder.layer.{n}.attention.attn.k"},
    {"attention.value", "encoder.layer.{n}.attention.attn.v"},
    {"attention.out", "encoder.layer.{n}.attention.attn.o"},
    {"attention.after", "encoder.layer.{n}.attention.LayerNorm"},
    {"mlp.up", "encoder.layer.{n}.intermediate.dense"},
    {"mlp.down", "encoder.layer.{n}.output.dense"},
    {"mlp.after", "encoder.layer.{n}.output.LayerNorm"},
};

static std::vector<HeadOutput> vocabulary(const Value& c) { return gelu_lm_head(c, 1e-12); }

static constexpr const char* kCall = "input_ids attention_mask position_ids inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"MPNetModel", {kCall, kSwitches}, tanh_pooler},
    {"MPNetForMaskedLM", {kCall, "labels", kSwitches}, vocabulary},
    {"MPNetForSequenceClassification", {kCall, "labels", kSwitches}, first_row_head},
    {"MPNetForTokenClassification", {kCall, "labels", kSwitches}, token_head},
    {"MPNetForQuestionAnswering", {kCall, kSpans, kSwitches}, span_head},
    {"MPNetForMultipleChoice", {kCall, "labels", kSwitches}, choice_head},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 1}, {"bos_token_id", 0}, {"eos_token_id", 2}};

extern const Arch kMpnet;
const Arch kMpnet{.model_type = "mpnet",
                  .prefix = "mpnet.",
                  .spec = mpnet,
                  .encoder = kWeights,
                  .decoder = {},
                  .classes = kClasses,
                  .keys =
                      "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
                      "max_position_embeddings hidden_act layer_norm_eps relative_attention_num_buckets "
                      "num_labels tie_word_embeddings initializer_range",
                  .defaults = kDefaults,
                  .manners = {.states_all_or_none = true}};

}  // namespace fastplm
