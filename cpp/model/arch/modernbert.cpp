// ModernBERT: a pre-norm encoder with rotary positions, alternating global and local attention and a gated MLP.
// Source: transformers/models/modernbert/{configuration,modeling}_modernbert.py; arXiv:2412.13663.
#include <algorithm>

#include "model/arch/rope.h"

namespace fastplm {

enum Kind : int {
  kGlobal,
  kLocal,
  kFirstGlobal,
  kFirstLocal
};   // the first layer attends to the embeddings as they are

static std::vector<int> kinds_of(const Value& c, int64_t layers) {
  std::vector<int> kinds;
  if (const Value* types = c.find("layer_types")) {
    for (const Value& type : types->array("layer_types")) {
      const std::string& kind = type.string("layer_types");
      if (kind != "full_attention" && kind != "sliding_attention") {
        fail(ErrorKind::kFile, "\"layer_types\" holds \"", kind, "\"; expected full_attention or sliding_attention");
      }
      kinds.push_back(kind == "full_attention" ? kGlobal : kLocal);
    }
    if (int64_t(kinds.size()) != layers) {
      fail(ErrorKind::kFile, "\"layer_types\" names ", kinds.size(), " layers; \"num_hidden_layers\" is ", layers);
    }
  } else {
    const int64_t period = c.i_in("global_attn_every_n_layers", 3, 1, kMaxSize);
    for (int64_t n = 0; n < layers; ++n) kinds.push_back(n % period ? kLocal : kGlobal);
  }
  if (!kinds.empty()) kinds.front() += kFirstGlobal;
  return kinds;
}

static Spec modernbert(const Value& c) {
  constexpr int64_t kPositions = 8192;   // transformers' default
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t layers = c.i_in("num_hidden_layers", 0, kMaxSize), head_dim = head_dim_of(width, heads);
  if (const int64_t said = c.i_in("head_dim", head_dim, 1, kMaxSize); said != head_dim) {
    fail(ErrorKind::kUnsupported, "head_dim is ", said, "; expected ", head_dim,
         ", hidden_size by num_attention_heads");
  }
  const NormSpec norm{NormKind::kLayer, c.d("norm_eps", 1e-5), c.b("norm_bias", false)};
  const bool bias = c.b("attention_bias", false);
  AttentionSpec global{heads, heads, head_dim, inverse_sqrt(head_dim), bias, bias};
  AttentionSpec local = global;
  const RopeSettings settings{.head_dim = head_dim, .positions = kPositions, .scaled = false};
  RopeSettings of_global = settings, of_local = settings;
  of_global.layers = "full_attention", of_global.theta = 160000.0, of_global.theta_name = "global_rope_theta";
  of_local.layers = "sliding_attention", of_local.theta_name = "local_rope_theta";
  global.score = rope_of(c, of_global);
  local.score = rope_of(c, of_local);
  local.see.window = c.i_in("sliding_window", c.i_in("local_attention", 128, 0, kMaxSize) / 2, 0, kMaxSize);
  const MlpSpec mlp{.width = c.i_in("intermediate_size", 1, kMaxSize),
                    .act = act_from(c.s("hidden_activation", "gelu")),
                    .gated = true,
                    .bias = c.b("mlp_bias", false)};
  std::vector<LayerSpec> kinds = {pre_norm(global, mlp, norm), pre_norm(local, mlp, norm)};
  for (int i : {kGlobal, kLocal}) {
    LayerSpec first = kinds[size_t(i)];
    first[0].branches[0].before.reset();
    kinds.push_back(first);
  }
  return {.encoder = StackSpec{.width = width,
                               .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize), .norm = norm},
                               .kinds = kinds,
                               .kind_of = kinds_of(c, layers),
                               .weights_of = own_weights(layers),
                               .last = norm,
                               .max_length = c.i_in("max_position_embeddings", kPositions, 1, kMaxSize)},
          .decoder = {}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embeddings.tok_embeddings"},
    {"embed.norm", "embeddings.norm"},
    {"attention.before", "layers.{n}.attn_norm"},
    {"attention.qkv", "layers.{n}.attn.Wqkv"},
    {"attention.out", "layers.{n}.attn.Wo"},
    {"mlp.before", "layers.{n}.mlp_norm"},
    {"mlp.gate_up", "layers.{n}.mlp.Wi"},
    {"mlp.down", "layers.{n}.mlp.Wo"},
    {"last", "final_norm"},
};

using Step = HeadStep;

static std::vector<Step> prediction(const Value& c) {
  return {{.kind = Step::kDense,
           .name = "head.dense",
           .act = act_from(c.s("classifier_activation", "gelu")),
           .has_bias = c.b("classifier_bias", false)},
          {.kind = Step::kNorm,
           .name = "head.norm",
           .norm = {NormKind::kLayer, c.d("norm_eps", 1e-5), c.b("norm_bias", false)}}};
}

static std::vector<HeadOutput> masked_lm(const Value& c) {
  std::vector<Step> steps = prediction(c);
  const char* bias = c.b("decoder_bias", true) ? "decoder.bias" : nullptr;
  steps.push_back({.kind = Step::kVocab, .name = "decoder", .bias = bias});
  return {{"logits", steps}};
}

static std::vector<HeadOutput> classes(const Value& c, int64_t count) {   // of each token
  std::vector<Step> steps = prediction(c);
  steps.push_back({.kind = Step::kDense, .name = "classifier", .width = count});
  return {{"logits", steps}};
}
static std::vector<HeadOutput> token_labels(const Value& c) { return classes(c, labels_of(c)); }
static std::vector<HeadOutput> spans(const Value& c) { return classes(c, 2); }

// of each sequence. cls: the row that is its first.
static std::vector<HeadOutput> pooled(const Value& c, int64_t count, Step::Kind cls) {
  const std::string pooling = c.s("classifier_pooling", "cls");
  if (pooling != "cls" && pooling != "mean") {
    fail(ErrorKind::kFile, "\"classifier_pooling\" is \"", pooling, "\"; expected \"cls\" or \"mean\"");
  }
  std::vector<HeadOutput> head = classes(c, count);
  std::vector<Step>& steps = head[0].steps;
  steps.insert(steps.begin(), {pooling == "cls" ? cls : Step::kMean});
  return head;
}
static std::vector<HeadOutput> sequence_classes(const Value& c) { return pooled(c, labels_of(c), Step::kFirst); }
static std::vector<HeadOutput> choice(const Value& c) { return pooled(c, 1, Step::kFirstShown); }

static constexpr const char* kCall = "input_ids attention_mask position_ids inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"ModernBertModel", {kCall}},
    {"ModernBertForMaskedLM", {kCall, "labels"}, masked_lm},
    {"ModernBertForSequenceClassification", {kCall, "labels"}, sequence_classes},
    {"ModernBertForTokenClassification", {kCall, "labels"}, token_labels},
    {"ModernBertForQuestionAnswering", {"input_ids attention_mask position_ids", kSpans}, spans},
    {"ModernBertForMultipleChoice", {kCall, "labels"}, choice},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 50283}, {"bos_token_id", 50281}, {"eos_token_id", 50282}};

extern const Arch kModernBert;
const Arch kModernBert{
    .model_type = "modernbert",
    .prefix = "model.",
    .spec = modernbert,
    .encoder = kWeights,
    .decoder = {},
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size max_position_embeddings "
        "hidden_activation norm_eps norm_bias attention_bias mlp_bias head_dim local_attention sliding_window "
        "layer_types global_attn_every_n_layers rope_parameters global_rope_theta local_rope_theta "
        "classifier_activation classifier_bias classifier_pooling decoder_bias sparse_prediction "
        "sparse_pred_ignore_index num_labels tie_word_embeddings initializer_range",
    .defaults = kDefaults,
    .manners = {.span_loss_by_count = true, .masked_loss_by_count = true}};

}  // namespace fastplm
