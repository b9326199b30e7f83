// GPT-NeoX, Pythia: attention and MLP side by side, rotary positions of a part of each head, queries, keys and values
// fused head by head.
// Source: transformers/models/gpt_neox/{configuration,modeling}_gpt_neox.py; arXiv:2204.06745.
#include "model/arch/rope.h"

namespace fastplm {

static Spec gpt_neox(const Value& c) {
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t layers = c.i_in("num_hidden_layers", 0, kMaxSize), head_dim = head_dim_of(width, heads);
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", 1e-5)};
  const bool bias = c.b("attention_bias", true);
  AttentionSpec attention{heads, heads, head_dim, inverse_sqrt(head_dim), bias, bias};
  attention.see.causal = true;
  attention.score =
      rope_of(c, {.head_dim = head_dim, .theta_name = "rotary_emb_base", .part = 0.25, .part_name = "rotary_pct"});
  const MlpSpec mlp{c.i_in("intermediate_size", 1, kMaxSize), act_from(c.s("hidden_act", "gelu"))};
  const bool parallel = c.b("use_parallel_residual", true);
  return {.encoder = {},
          .decoder = StackSpec{
              .width = width,
              .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize)},
              .kinds = {parallel ? LayerSpec{{{{norm, attention}, {norm, mlp}}, {}}} : pre_norm(attention, mlp, norm)},
              .kind_of = one_kind(layers),
              .weights_of = own_weights(layers),
              .last = norm}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "embed_in"},
    {"attention.before", "layers.{n}.input_layernorm"},
    {"attention.qkv", "layers.{n}.attention.query_key_value", Load::kByHead},
    {"attention.out", "layers.{n}.attention.dense"},
    {"mlp.before", "layers.{n}.post_attention_layernorm"},
    {"mlp.up", "layers.{n}.mlp.dense_h_to_4h"},
    {"mlp.down", "layers.{n}.mlp.dense_4h_to_h"},
    {"last", "final_layer_norm"},
};

using Step = HeadStep;
static std::vector<HeadOutput> vocabulary(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "embed_out", .older = "lm_head"}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {
      {"logits", {{Step::kGather}, {.kind = Step::kDense, .name = "score", .width = labels_of(c), .has_bias = false}}}};
}

static constexpr const char* kCall = "input_ids attention_mask position_ids inputs_embeds cache";
static constexpr ModelClass kClasses[] = {
    {"GPTNeoXModel", {kCall, "use_cache"}},
    {"GPTNeoXForCausalLM", {kCall, "labels use_cache logits_to_keep"}, vocabulary},
    {"GPTNeoXForSequenceClassification", {kCall, "labels use_cache"}, sequence_classes, Pick::kLastToken},
    {"GPTNeoXForTokenClassification",
     {"input_ids cache attention_mask token_type_ids position_ids inputs_embeds labels use_cache"},
     token_head},
    {"GPTNeoXForQuestionAnswering", {kTokens, kSpans}, span_head},
};
static constexpr Default kDefaults[] = {{"bos_token_id", 0}, {"eos_token_id", 2}};

extern const Arch kGptNeoX;
const Arch kGptNeoX{
    .model_type = "gpt_neox",
    .prefix = "gpt_neox.",
    .spec = gpt_neox,
    .encoder = {},
    .decoder = kWeights,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size hidden_act layer_norm_eps "
        "max_position_embeddings rope_parameters rope_scaling rotary_emb_base rotary_pct use_parallel_residual "
        "attention_bias num_labels tie_word_embeddings initializer_range",
    .defaults = kDefaults,
    .tie = Tie::kIfSaid};

}  // namespace fastplm
