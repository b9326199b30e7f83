// DeBERTa, DeBERTa-v2 and v3: BERT whose attention also compares tokens with relative positions.
// Source: transformers/models/{deberta,deberta_v2}/{configuration,modeling}_*.py; arXiv:2006.03654, arXiv:2111.09543.
#include <algorithm>
#include <sstream>

#include "model/arch/bert.h"

namespace fastplm {

static int64_t embedding_of(const Value& c) {
  return c.i_in("embedding_size", c.i_in("hidden_size", 1, kMaxSize), 1, kMaxSize);
}

// pos_att_type is a list, or older: names between bars.
static std::vector<std::string> terms_of(const Value& c) {
  std::vector<std::string> terms;
  const Value* given = c.find("pos_att_type");
  if (!given) return terms;
  if (given->is_string()) {
    std::istringstream words(given->string("pos_att_type"));
    for (std::string word; std::getline(words, word, '|');) {
      std::erase(word, ' ');
      std::ranges::transform(word, word.begin(), [](char a) { return a >= 'A' && a <= 'Z' ? char(a + 32) : a; });
      terms.push_back(word);
    }
  } else {
    for (const Value& term : given->array("pos_att_type")) terms.push_back(term.string("pos_att_type"));
  }
  for (const std::string& term : terms) {
    if (term != "c2p" && term != "p2c")
      fail(ErrorKind::kUnsupported, "pos_att_type holds \"", term, "\"; expected \"c2p\" and \"p2c\"");
  }
  return terms;
}

static bool has(const std::vector<std::string>& terms, const char* term) {
  return std::ranges::find(terms, term) != terms.end();
}

static void refuse_unless(bool fits, const char* name, int64_t value, int64_t expected) {
  if (!fits) fail(ErrorKind::kUnsupported, name, " is ", value, "; expected ", expected);
}

// What both have in common.
static Spec deberta_spec(const Value& c, int64_t terms) {
  Spec spec = bert_spec(c);
  StackSpec& stack = *spec.encoder;
  AttentionSpec& attention = std::get<AttentionSpec>(stack.kinds[0][0].branches[0].op);
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", 1e-7)};
  attention.scale = inverse_sqrt(attention.head_dim * (1 + terms));
  for (Sublayer& sublayer : stack.kinds[0]) sublayer.after = norm;
  stack.embed.norm = norm;
  stack.embed.segments = c.i_in("type_vocab_size", 0, 0, kMaxSize);
  stack.hidden = Hidden::kBlind;
  if (!c.b("position_biased_input", true)) {
    stack.embed.positions.reset();
    stack.max_length = 0;
  }
  if (const int64_t embedding = embedding_of(c); embedding != stack.width) {
    stack.embed.width = embedding;
    stack.embed.project = EmbedSpec::Project::kBeforeNorm;
    stack.embed.project_bias = false;
  }
  const int64_t pooler = c.i_in("pooler_hidden_size", stack.width, 1, kMaxSize);
  refuse_unless(pooler == stack.width, "pooler_hidden_size", pooler, stack.width);
  return spec;
}

static int64_t max_distance_of(const Value& c) {
  const int64_t most = c.i_in("max_relative_positions", -1, -1, kMaxSize);
  return most < 1 ? c.i_in("max_position_embeddings", 512, 1, kMaxSize) : most;
}

static Spec deberta(const Value& c) {
  const std::vector<std::string> terms = terms_of(c);
  Spec spec = deberta_spec(c, int64_t(terms.size()));
  if (c.b("talking_head", false)) fail(ErrorKind::kUnsupported, "talking_head is true; expected false");
  if (c.b("relative_attention", false) && !terms.empty()) {
    const int64_t most = max_distance_of(c);
    std::get<AttentionSpec>(spec.encoder->kinds[0][0].branches[0].op).score = RelativeKeys{.count = 2 * most,
                                                                                           .buckets = 0,
                                                                                           .max_distance = most,
                                                                                           .keys = has(terms, "c2p"),
                                                                                           .queries = has(terms, "p2c"),
                                                                                           .shared = false,
                                                                                           .key_bias = false,
                                                                                           .norm = {}};
  }
  return spec;
}

static Spec deberta_v2(const Value& c) {
  const std::vector<std::string> terms = terms_of(c);
  const bool keys = has(terms, "c2p"), queries = has(terms, "p2c");
  Spec spec = deberta_spec(c, int64_t(keys) + int64_t(queries));
  StackSpec& stack = *spec.encoder;
  AttentionSpec& attention = std::get<AttentionSpec>(stack.kinds[0][0].branches[0].op);
  const int64_t head_dim = c.i_in("attention_head_size", attention.head_dim, 1, kMaxSize);
  refuse_unless(head_dim == attention.head_dim, "attention_head_size", head_dim, attention.head_dim);
  if (c.b("relative_attention", false) && (keys || queries)) {
    const int64_t most = max_distance_of(c),
                  buckets = std::max<int64_t>(c.i_in("position_buckets", -1, -1, kMaxSize), 0);
    RelativeKeys relative{.count = 2 * (buckets ? buckets : most),
                          .buckets = buckets,
                          .max_distance = most,
                          .keys = keys,
                          .queries = queries,
                          .shared = c.b("share_att_key", false),
                          .norm = {}};
    if (buckets && most <= buckets / 2 + 1) {
      fail(ErrorKind::kFile, "relative positions have ", buckets, " buckets up to the distance ", most,
           "; expected a distance above ", buckets / 2 + 1);
    }
    const std::string norm = c.s("norm_rel_ebd", "none");
    if (norm.find("layer_norm") != std::string::npos) relative.norm = stack.embed.norm;
    attention.score = relative;
  }
  const int64_t length = c.i_in("conv_kernel_size", 0, 0, kMaxSize);
  if (length > 0 && stack.layers() > 0) {
    const int64_t groups = c.i_in("conv_groups", 1, 1, kMaxSize);
    refuse_unless(groups == 1, "conv_groups", groups, 1);
    refuse_unless(length % 2 == 1, "conv_kernel_size", length, length + 1);
    LayerSpec first = stack.kinds[0];
    first.push_back({{{{}, ConvSpec{length, act_from(c.s("conv_act", "tanh"))}}}, stack.embed.norm});
    stack.kinds.push_back(first);
    stack.kind_of[0] = 1;
  }
  return spec;
}

static constexpr WeightRow kDebertaWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.positions", "embeddings.position_embeddings"},
    {"embed.segments", "embeddings.token_type_embeddings"},
    {"embed.project", "embeddings.embed_proj"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"attention.positions", "encoder.rel_embeddings"},
    {"attention.qkv", "encoder.layer.{n}.attention.self.in_proj", Load::kByHead},
    {"attention.query_bias", "encoder.layer.{n}.attention.self.q_bias"},
    {"attention.value_bias", "encoder.layer.{n}.attention.self.v_bias"},
    {"attention.position_key", "encoder.layer.{n}.attention.self.pos_proj"},
    {"attention.position_query", "encoder.layer.{n}.attention.self.pos_q_proj"},
    {"attention.out", "encoder.layer.{n}.attention.output.dense"},
    {"attention.after", "encoder.layer.{n}.attention.output.LayerNorm"},
    {"mlp.up", "encoder.layer.{n}.intermediate.dense"},
    {"mlp.down", "encoder.layer.{n}.output.dense"},
    {"mlp.after", "encoder.layer.{n}.output.LayerNorm"},
};
static constexpr WeightRow kDebertaV2Weights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.positions", "embeddings.position_embeddings"},
    {"embed.segments", "embeddings.token_type_embeddings"},
    {"embed.project", "embeddings.embed_proj"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"attention.positions", "encoder.rel_embeddings"},
    {"attention.positions_norm", "encoder.LayerNorm"},
    {"attention.query", "encoder.layer.{n}.attention.self.query_proj"},
    {"attention.key", "encoder.layer.{n}.attention.self.key_proj"},
    {"attention.value", "encoder.layer.{n}.attention.self.value_proj"},
    {"attention.position_key", "encoder.layer.{n}.attention.self.pos_key_proj"},
    {"attention.position_query", "encoder.layer.{n}.attention.self.pos_query_proj"},
    {"attention.out", "encoder.layer.{n}.attention.output.dense"},
    {"attention.after", "encoder.layer.{n}.attention.output.LayerNorm"},
    {"mlp.up", "encoder.layer.{n}.intermediate.dense"},
    {"mlp.down", "encoder.layer.{n}.output.dense"},
    {"mlp.after", "encoder.layer.{n}.output.LayerNorm"},
    {"conv", "encoder.conv.conv"},
    {"conv.after", "encoder.conv.LayerNorm"},
};

using Step = HeadStep;

static std::vector<HeadOutput> masked_lm(const Value& c) {
  const Act act = act_from(c.s("hidden_act", "gelu"));
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", 1e-7)};
  if (c.b("legacy", true)) {
    return {{"logits",
             {{.kind = Step::kDense, .name = "cls.predictions.transform.dense", .width = embedding_of(c), .act = act},
              {.kind = Step::kNorm, .name = "cls.predictions.transform.LayerNorm", .norm = norm},
              {.kind = Step::kVocab,
               .name = "cls.predictions.decoder",
               .bias = "cls.predictions.decoder.bias",
               .tied_bias = "cls.predictions.bias"}}}};
  }
  return {{"logits",
           {{.kind = Step::kDense, .name = "lm_predictions.lm_head.dense", .act = act},
            {.kind = Step::kNorm, .name = "lm_predictions.lm_head.LayerNorm", .norm = norm},
            {.kind = Step::kVocab, .name = "embeddings.word_embeddings", .bias = "lm_predictions.lm_head.bias"}}}};
}

static std::vector<HeadOutput> pooled(const Value& c, int64_t classes) {
  return {{"logits",
           {{Step::kFirst},
            {.kind = Step::kDense, .name = "pooler.dense", .act = act_from(c.s("pooler_hidden_act", "gelu"))},
            {.kind = Step::kDense, .name = "classifier", .width = classes}}}};
}
static std::vector<HeadOutput> sequence_classes(const Value& c) { return pooled(c, labels_of(c)); }
static std::vector<HeadOutput> choice(const Value& c) { return pooled(c, 1); }

static constexpr ModelClass kDebertaClasses[] = {
    {"DebertaModel", {kTokens, kSwitches}},
    {"DebertaForMaskedLM", {kTokens, "labels", kSwitches}, masked_lm},
    {"DebertaForSequenceClassification", {kTokens, "labels", kSwitches}, sequence_classes},
    {"DebertaForTokenClassification", {kTokens, "labels", kSwitches}, token_head},
    {"DebertaForQuestionAnswering", {kTokens, kSpans, kSwitches}, span_head},
};
static constexpr ModelClass kDebertaV2Classes[] = {
    {"DebertaV2Model", {kTokens, kSwitches}},
    {"DebertaV2ForMaskedLM", {kTokens, "labels", kSwitches}, masked_lm},
    {"DebertaV2ForSequenceClassification", {kTokens, "labels", kSwitches}, sequence_classes},
    {"DebertaV2ForTokenClassification", {kTokens, "labels", kSwitches}, token_head},
    {"DebertaV2ForQuestionAnswering", {kTokens, kSpans, kSwitches}, span_head},
    {"DebertaV2ForMultipleChoice", {kTokens, "labels", kSwitches}, choice},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}};
static constexpr Manners kManners{.states_all_or_none = true, .labels_choose_loss = true};

extern const Arch kDeberta, kDebertaV2;
const Arch kDeberta{.model_type = "deberta",
                    .prefix = "deberta.",
                    .spec = deberta,
                    .encoder = kDebertaWeights,
                    .decoder = {},
                    .classes = kDebertaClasses,
                    .keys =
                        "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
                        "max_position_embeddings type_vocab_size hidden_act layer_norm_eps relative_attention "
                        "pos_att_type max_relative_positions position_biased_input embedding_size pooler_hidden_act "
                        "pooler_hidden_size legacy talking_head num_labels tie_word_embeddings initializer_range",
                    .defaults = kDefaults,
                    .manners = kManners};
const Arch kDebertaV2{.model_type = "deberta-v2",
                      .prefix = "deberta.",
                      .spec = deberta_v2,
                      .encoder = kDebertaV2Weights,
                      .decoder = {},
                      .classes = kDebertaV2Classes,
                      .keys =
                          "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
                          "max_position_embeddings type_vocab_size hidden_act layer_norm_eps relative_attention "
                          "pos_att_type max_relative_positions position_biased_input embedding_size "
                          "pooler_hidden_act pooler_hidden_size legacy attention_head_size position_buckets "
                          "share_att_key norm_rel_ebd conv_kernel_size conv_groups conv_act num_labels "
                          "tie_word_embeddings initializer_range",
                      .defaults = kDefaults,
                      .manners = kManners};

}  // namespace fastplm
