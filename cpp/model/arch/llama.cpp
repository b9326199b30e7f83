// Llama: a pre-norm decoder with RMSNorm, rotary positions, grouped key heads and a gated MLP.
// Source: transformers/models/llama/{configuration,modeling}_llama.py; arXiv:2302.13971.
#include "model/arch.h"

namespace fastplm {

static double theta_of(const Value& c) {
  for (const char* name : {"rope_parameters", "rope_scaling"}) {
    const Value* parameters = c.find(name);
    if (!parameters) continue;
    const std::string type = parameters->s("rope_type", parameters->s("type", "default"));
    if (type != "default") {
      fail(ErrorKind::kUnsupported, "\"rope_type\" is \"", type, "\"; only \"default\" is supported");
    }
    if (parameters->has("rope_theta")) return parameters->d("rope_theta");
  }
  return c.d("rope_theta", 10000.0);
}

static Spec llama(const Value& c) {
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t layers = c.i_in("num_hidden_layers", 0, kMaxSize);
  const int64_t head_dim = c.has("head_dim") ? c.i_in("head_dim", 1, kMaxSize) : head_dim_of(width, heads);
  const int64_t kv_heads = c.i_in("num_key_value_heads", heads, 1, kMaxSize);
  if (heads % kv_heads) {
    fail(ErrorKind::kFile, "\"num_key_value_heads\" is ", kv_heads, "; expected a divisor of \"num_attention_heads\", ",
         heads);
  }
  if (head_dim % 2) fail(ErrorKind::kFile, "heads are ", head_dim, " wide; rotary positions need an even width");
  const NormSpec norm{NormKind::kRms, c.d("rms_norm_eps", 1e-6), false};
  const bool bias = c.b("attention_bias", false);
  AttentionSpec attention{heads, kv_heads, head_dim, inverse_sqrt(head_dim), bias, bias};
  attention.see.causal = true;
  attention.score = Rope{rope_frequencies(theta_of(c), head_dim)};
  const MlpSpec mlp{.width = c.i_in("intermediate_size", 1, kMaxSize),
                    .act = act_from(c.s("hidden_act", "silu")),
                    .gated = true,
                    .bias = c.b("mlp_bias", false)};
  return {.encoder = {},
          .decoder = StackSpec{.width = width,
                               .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize)},
                               .kinds = {pre_norm(attention, mlp, norm)},
                               .kind_of = one_kind(layers),
                               .weights_of = own_weights(layers),
                               .last = norm}};
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
static std::vector<HeadOutput> causal_lm(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "lm_head"}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {
      {"logits", {{Step::kGather}, {.kind = Step::kDense, .name = "score", .width = labels_of(c), .has_bias = false}}}};
}
static std::vector<HeadOutput> token_classes(const Value& c) {
  const bool bias = c.b("token_classification_bias", true);
  return {{"logits", {{.kind = Step::kDense, .name = "score", .width = labels_of(c), .has_bias = bias}}}};
}

static constexpr const char* kCall = "input_ids attention_mask position_ids cache inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"LlamaModel", {kCall, "use_cache"}},
    {"LlamaForCausalLM", {kCall, "labels use_cache logits_to_keep"}, causal_lm},
    {"LlamaForSequenceClassification", {kCall, "labels use_cache"}, sequence_classes, Pick::kLastToken},
    {"LlamaForTokenClassification", {kCall, "labels use_cache"}, token_classes},
    {"LlamaForQuestionAnswering", {kCall, kSpans}, span_head, Pick::kNone, Stacks::kAll, "transformer."},
};
static constexpr Default kDefaults[] = {{"bos_token_id", 1}, {"eos_token_id", 2}};

extern const Arch kLlama;
const Arch kLlama{
    .model_type = "llama",
    .prefix = "model.",
    .spec = llama,
    .encoder = {},
    .decoder = kWeights,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
        "intermediate_size hidden_act rms_norm_eps attention_bias mlp_bias rope_parameters rope_scaling rope_theta "
        "token_classification_bias num_labels tie_word_embeddings initializer_range",
    .defaults = kDefaults,
    .tie = Tie::kIfSaid,
    .manners = {.span_loss_by_count = true}};

}  // namespace fastplm
