// XLNet: a post-norm encoder that compares tokens by their distance and segment, remembers earlier states, and predicts
// tokens in a second stream of states that does not see them.
// Source: transformers/models/xlnet/{configuration,modeling}_xlnet.py; arXiv:1906.08237, arXiv:1901.02860.
#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

static Spec xlnet(const Value& c) {
  const int64_t width = c.i_in("d_model", 1024, 1, kMaxSize), heads = c.i_in("n_head", 16, 1, kMaxSize);
  const int64_t layers = c.i_in("n_layer", 24, 0, kMaxSize);
  if (width % heads) fail(ErrorKind::kFile, "\"d_model\" is ", width, "; expected a multiple of \"n_head\", ", heads);
  if (width % 2) fail(ErrorKind::kFile, "\"d_model\" is ", width, "; expected an even number");
  const int64_t head_dim = width / heads, said = c.i_in("d_head", head_dim, 0, kMaxSize);
  if (said != 0 && said != head_dim) fail(ErrorKind::kUnsupported, "d_head is ", said, "; expected ", head_dim);
  const std::string type = c.s("attn_type", "bi");
  if (type != "bi" && type != "uni")
    fail(ErrorKind::kUnsupported, "attn_type is \"", type, "\"; expected \"bi\" or \"uni\"");
  c.i_in("mem_len", 512, 0, kMaxSize);  // read by callers, who keep the states
  c.i_in("reuse_len", 0, 0, kMaxSize);
  c.b("use_mems_eval", true);
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", 1e-12)};
  AttentionSpec attention{heads, heads, head_dim, inverse_sqrt(head_dim)};
  attention.qkv_bias = attention.out_bias = false;
  attention.see.causal = type == "uni";
  attention.see.as_remembered = type == "uni" && c.b("same_length", false);
  attention.score =
      RelativeWaves{.furthest = c.i_in("clamp_len", -1, -kMaxSize, kMaxSize), .halves = c.b("bi_data", false)};
  const MlpSpec mlp{c.i_in("d_inner", 4096, 1, kMaxSize), act_from(c.s("ff_activation", "gelu"))};
  return {.encoder = StackSpec{.width = width,
                               .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize), .target = true},
                               .kinds = {post_norm(attention, mlp, norm)},
                               .kind_of = one_kind(layers),
                               .weights_of = own_weights(layers)},
          .decoder = {}};
}

static constexpr WeightRow kWeights[] = {
    {"embed.tokens", "word_embedding"},
    {"embed.target", "mask_emb", Load::kAsIs, true},
    {"attention.query", "layer.{n}.rel_attn.q", Load::kTransposed, true},
    {"attention.key", "layer.{n}.rel_attn.k", Load::kTransposed, true},
    {"attention.value", "layer.{n}.rel_attn.v", Load::kTransposed, true},
    {"attention.out", "layer.{n}.rel_attn.o", Load::kAsIs, true},
    {"attention.wave_key", "layer.{n}.rel_attn.r", Load::kTransposed, true},
    {"attention.content_bias", "layer.{n}.rel_attn.r_w_bias", Load::kAsIs, true},
    {"attention.wave_bias", "layer.{n}.rel_attn.r_r_bias", Load::kAsIs, true},
    {"attention.segment_bias", "layer.{n}.rel_attn.r_s_bias", Load::kAsIs, true},
    {"attention.segments", "layer.{n}.rel_attn.seg_embed", Load::kAsIs, true},
    {"attention.after", "layer.{n}.rel_attn.layer_norm"},
    {"mlp.up", "layer.{n}.ff.layer_1"},
    {"mlp.down", "layer.{n}.ff.layer_2"},
    {"mlp.after", "layer.{n}.ff.layer_norm"},
};

using Step = HeadStep;

// XLNetSequenceSummary, then a projection.
static std::vector<HeadOutput> summarised(const Value& c, int64_t classes) {
  const std::string type = c.s("summary_type", "last");
  if (type != "last" && type != "first" && type != "cls_index" && type != "mean") {
    fail(ErrorKind::kUnsupported, "summary_type is \"", type,
         "\"; expected \"last\", \"first\", \"mean\" or \"cls_index\"");
  }
  if (!c.b("summary_use_proj", true)) fail(ErrorKind::kUnsupported, "summary_use_proj is false; expected true");
  if (c.b("summary_proj_to_labels", false))
    fail(ErrorKind::kUnsupported, "summary_proj_to_labels is true; expected false: a second projection gives labels");
  const std::string act = c.is_null("summary_activation") ? "" : c.s("summary_activation", "tanh");
  return {{"logits",
           {{type == "mean" ? Step::kMean : Step::kGather},
            {.kind = Step::kDense, .name = "sequence_summary.summary", .act = act.empty() ? Act::kNone : act_from(act)},
            {.kind = Step::kDense, .name = "logits_proj", .width = classes}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) { return summarised(c, labels_of(c)); }
static std::vector<HeadOutput> choice(const Value& c) { return summarised(c, 1); }
static std::vector<HeadOutput> vocabulary(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "lm_loss", .bias = "lm_loss.bias"}}}};
}

static constexpr const char* kCall =
    "input_ids attention_mask mems perm_mask target_mapping token_type_ids input_mask inputs_embeds";
static constexpr const char* kChoiceCall =
    "input_ids token_type_ids input_mask attention_mask mems perm_mask target_mapping inputs_embeds";
static constexpr ModelClass kClasses[] = {
    {"XLNetModel", {kCall, "use_mems", kSwitches}},
    {"XLNetLMHeadModel", {kCall, "labels use_mems", kSwitches, "logits_to_keep"}, vocabulary},
    {"XLNetForSequenceClassification", {kCall, "labels use_mems", kSwitches}, sequence_classes, Pick::kSummary},
    {"XLNetForTokenClassification", {kCall, "labels use_mems", kSwitches}, token_head},
    {"XLNetForMultipleChoice", {kChoiceCall, "labels use_mems", kSwitches}, choice, Pick::kSummary},
    {"XLNetForQuestionAnsweringSimple", {kCall, kSpans, "use_mems", kSwitches}, span_head},
    {.name = "XLNetForQuestionAnswering",
     .refused =
         "its beams over beginnings and ends of answers; expected XLNetForQuestionAnsweringSimple, which has one logit "
         "for each"},
};
static constexpr Alias kAliases[] = {{"n_token", "vocab_size"},
                                     {"hidden_size", "d_model"},
                                     {"num_attention_heads", "n_head"},
                                     {"num_hidden_layers", "n_layer"}};
static constexpr Default kDefaults[] = {
    {"mem_len", 512}, {"use_mems_eval", 1}, {"pad_token_id", 5}, {"bos_token_id", 1}, {"eos_token_id", 2}};

extern const Arch kXlnet;
const Arch kXlnet{
    .model_type = "xlnet",
    .prefix = "transformer.",
    .spec = xlnet,
    .encoder = kWeights,
    .decoder = {},
    .classes = kClasses,
    .keys =
        "vocab_size d_model n_layer n_head d_inner d_head ff_activation attn_type layer_norm_eps mem_len reuse_len "
        "use_mems_eval bi_data clamp_len same_length summary_type summary_use_proj summary_activation "
        "summary_proj_to_labels num_labels tie_word_embeddings initializer_range",
    .aliases = kAliases,
    .defaults = kDefaults,
    .manners = {.states_all_or_none = true, .labels_stand_still = true}};

}  // namespace fastplm
