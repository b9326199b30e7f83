// EuroBERT: Llama's layers in both directions.
// Source: transformers/models/eurobert/{configuration,modeling}_eurobert.py; arXiv:2503.05500.
#include "model/arch/rope.h"

namespace fastplm {

static Spec eurobert(const Value& c) {
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t layers = c.i_in("num_hidden_layers", 0, kMaxSize);
  const int64_t head_dim = c.has("head_dim") ? c.i_in("head_dim", 1, kMaxSize) : head_dim_of(width, heads);
  const int64_t kv_heads = c.i_in("num_key_value_heads", heads, 1, kMaxSize);
  if (heads % kv_heads) {
    fail(ErrorKind::kFile, "\"num_key_value_heads\" is ", kv_heads, "; expected a divisor of \"num_attention_heads\", ",
         heads);
  }
  const NormSpec norm{NormKind::kRms, c.d("rms_norm_eps", 1e-5), false};
  const bool bias = c.b("attention_bias", false);
  AttentionSpec attention{heads, kv_heads, head_dim, inverse_sqrt(head_dim), bias, bias};
  attention.score = rope_of(c, {.head_dim = head_dim, .positions = 8192});
  const MlpSpec mlp{.width = c.i_in("intermediate_size", 1, kMaxSize),
                    .act = act_from(c.s("hidden_act", "silu")),
                    .gated = true,
                    .bias = c.b("mlp_bias", false)};
  return {.encoder = StackSpec{.width = width,
                               .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize)},
                               .kinds = {pre_norm(attention, mlp, norm)},
                               .kind_of = one_kind(layers),
                               .weights_of = own_weights(layers),
                               .last = norm},
          .decoder = {}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embed_tokens"},
    {"attention.before", "layers.{n}.input_layernorm"},
    {"attention.query", "layers.{n}.self_attn.q_proj"},
    {"attention.key", "layers.{n}.self_attn.k_proj"},
    {"attention.value", "layers.{n}.self_attn.v_proj"},
    {"attention.out", "layers.{n}.self_attn.o_proj"},
    {"mlp.before", "layers.{n}.post_attention_layernorm"},
    {"mlp.gate", "layers.{n}.mlp.gate_proj"},
    {"mlp.up", "layers.{n}.mlp.up_proj"},
    {"mlp.down", "layers.{n}.mlp.down_proj"},
    {"last", "norm"},
};

using Step = HeadStep;

static std::vector<HeadOutput> masked_lm(const Value& c) {
  return {{"logits",
           {{.kind = Step::kVocab, .name = "lm_head", .bias = c.b("mlp_bias", false) ? "lm_head.bias" : nullptr}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  const std::string pooling = c.s("classifier_pooling", "late");
  std::vector<Step> steps = {{.kind = Step::kDense, .name = "dense", .act = Act::kGeluErf},
                             {.kind = Step::kDense, .name = "classifier", .width = labels_of(c)}};
  if (pooling == "late") {
    steps.push_back({Step::kMean});
  } else if (pooling == "bos" || pooling == "mean") {
    steps.insert(steps.begin(), {pooling == "bos" ? Step::kFirst : Step::kMean});
  } else {
    fail(ErrorKind::kFile, "\"classifier_pooling\" is \"", pooling, "\"; expected \"bos\", \"mean\" or \"late\"");
  }
  return {{"logits", steps}};
}

static constexpr const char* kCall = "input_ids attention_mask position_ids inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"EuroBertModel", {kCall}},
    {"EuroBertForMaskedLM", {kCall, "labels"}, masked_lm},
    {"EuroBertForSequenceClassification", {kCall, "labels"}, sequence_classes},
    {"EuroBertForTokenClassification", {kCall, "labels"}, token_head},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 128001}, {"bos_token_id", 128000}, {"eos_token_id", 128001}};

extern const Arch kEuroBert;
const Arch kEuroBert{.model_type = "eurobert",
                     .prefix = "model.",
                     .spec = eurobert,
                     .encoder = kWeights,
                     .decoder = {},
                     .classes = kClasses,
                     .keys =
                         "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
                         "intermediate_size hidden_act rms_norm_eps attention_bias mlp_bias max_position_embeddings "
                         "rope_parameters rope_scaling rope_theta classifier_pooling num_labels tie_word_embeddings "
                         "initializer_range",
                     .defaults = kDefaults,
                     .tie = Tie::kIfSaid,
                     .manners = {.masked_loss_by_count = true}};

}  // namespace fastplm
