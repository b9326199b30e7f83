// OPT: a decoder with learned positions, counted over the tokens that the mask shows; norms before or after. Its tokens
// may be narrower than its layers: they are projected on the way in, and the layers' result on the way out.
// Source: transformers/models/opt/{configuration,modeling}_opt.py; arXiv:2205.01068.
#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

static Spec opt(const Value& c) {
  constexpr int64_t kReserved = 2;  // rows of the table of positions, fixed in the source
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t layers = c.i_in("num_hidden_layers", 0, kMaxSize), head_dim = head_dim_of(width, heads);
  const int64_t positions = c.i_in("max_position_embeddings", 2048, 1, kMaxSize);
  const int64_t own = c.i_in("word_embed_proj_dim", width, 1, kMaxSize);
  const bool projects = own != width;
  if (!c.b("layer_norm_elementwise_affine", true)) {
    fail(ErrorKind::kUnsupported, "layer_norm_elementwise_affine is false; expected norms with weights");
  }
  const NormSpec norm{NormKind::kLayer, 1e-5};  // torch's default
  const bool bias = c.b("enable_bias", true), before = c.b("do_layer_norm_before", true);
  AttentionSpec attention{heads, heads, head_dim, inverse_sqrt(head_dim), bias, bias};
  attention.see.causal = true;
  const MlpSpec mlp{
      .width = c.i_in("ffn_dim", 3072, 1, kMaxSize), .act = act_from(c.s("activation_function", "relu")), .bias = bias};
  const bool last = before && !c.b("_remove_final_layer_norm", false);
  return {
      .encoder = {},
      .decoder = StackSpec{
          .width = width,
          .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize),
                    .positions = LearnedPositions{.count = positions + kReserved, .first = kReserved, .of_shown = true},
                    .width = projects ? own : 0,
                    .project = projects ? EmbedSpec::Project::kBeforePositions : EmbedSpec::Project::kNone,
                    .project_bias = false},
          .kinds = {before ? pre_norm(attention, mlp, norm) : post_norm(attention, mlp, norm)},
          .kind_of = one_kind(layers),
          .weights_of = own_weights(layers),
          .last = last ? std::optional(norm) : std::nullopt,
          .projected = projects ? own : 0,
          .max_length = positions}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "decoder.embed_tokens"},
    {"embed.positions", "decoder.embed_positions"},
    {"embed.project", "decoder.project_in"},
    {"attention.before", "decoder.layers.{n}.self_attn_layer_norm"},
    {"attention.query", "decoder.layers.{n}.self_attn.q_proj"},
    {"attention.key", "decoder.layers.{n}.self_attn.k_proj"},
    {"attention.value", "decoder.layers.{n}.self_attn.v_proj"},
    {"attention.out", "decoder.layers.{n}.self_attn.out_proj"},
    {"attention.after", "decoder.layers.{n}.self_attn_layer_norm"},
    {"mlp.before", "decoder.layers.{n}.final_layer_norm"},
    {"mlp.up", "decoder.layers.{n}.fc1"},
    {"mlp.down", "decoder.layers.{n}.fc2"},
    {"mlp.after", "decoder.layers.{n}.final_layer_norm"},
    {"last", "decoder.final_layer_norm"},
    {"last.project", "decoder.project_out"},
};

using Step = HeadStep;
static std::vector<HeadOutput> vocabulary(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "lm_head"}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {
      {"logits", {{Step::kGather}, {.kind = Step::kDense, .name = "score", .width = labels_of(c), .has_bias = false}}}};
}

static constexpr const char* kCall = "input_ids attention_mask cache inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"OPTModel", {kCall, "use_cache position_ids"}},
    {"OPTForCausalLM", {kCall, "labels use_cache position_ids logits_to_keep"}, vocabulary},
    {"OPTForSequenceClassification", {kCall, "labels use_cache position_ids"}, sequence_classes, Pick::kLastToken},
    {"OPTForQuestionAnswering", {kCall, kSpans, "use_cache position_ids"}, span_head},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 1}, {"bos_token_id", 2}, {"eos_token_id", 2}};

extern const Arch kOpt;
const Arch kOpt{
    .model_type = "opt",
    .prefix = "model.",
    .spec = opt,
    .encoder = {},
    .decoder = kWeights,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads ffn_dim max_position_embeddings "
        "do_layer_norm_before _remove_final_layer_norm word_embed_proj_dim enable_bias layer_norm_elementwise_affine "
        "activation_function init_std num_labels tie_word_embeddings",
    .defaults = kDefaults};

}  // namespace fastplm
