// NomicBERT, Jina embeddings v3 and GTE: BERT with rotary positions in place of learned ones, the first and the last
// with a gated MLP. Source: transformers/models/{nomic_bert,jina_embeddings_v3,gte}/{configuration,modeling}_*.py;
// arXiv:2402.01613, arXiv:2409.10173, arXiv:2407.19669. Their first releases, which ran code of their own, name weights
// otherwise.
#include "model/arch/bert.h"
#include "model/arch/rope.h"

namespace fastplm {

// positions, theta, segments, eps: where config.json says nothing.
static Spec rotary(const Value& c, int64_t positions, double theta, int64_t segments, double eps) {
  Spec spec = bert_spec(c);
  StackSpec& stack = *spec.encoder;
  stack.embed.positions.reset();
  stack.embed.segments = c.i_in("type_vocab_size", segments, 0, kMaxSize);
  stack.max_length = 0;
  AttentionSpec& attention = std::get<AttentionSpec>(stack.kinds[0][0].branches[0].op);
  attention.head_dim = c.i_in("head_dim", attention.head_dim, 1, kMaxSize);
  attention.scale = inverse_sqrt(attention.head_dim);
  attention.score = rope_of(c, {.head_dim = attention.head_dim, .positions = positions, .theta = theta});
  const NormSpec norm{NormKind::kLayer, c.d("layer_norm_eps", eps)};
  stack.embed.norm = norm;
  for (Sublayer& sublayer : stack.kinds[0]) sublayer.after = norm;
  return spec;
}

static MlpSpec& mlp_of(Spec& spec) { return std::get<MlpSpec>(spec.encoder->kinds[0][1].branches[0].op); }

static Act nomic_act(const Value& c) { return act_from(c.s("hidden_act", "silu")); }

static Spec nomic(const Value& c) {
  Spec spec = rotary(c, 2048, 1000.0, 2, 1e-12);
  AttentionSpec& attention = std::get<AttentionSpec>(spec.encoder->kinds[0][0].branches[0].op);
  attention.qkv_bias = attention.out_bias = false;
  MlpSpec& mlp = mlp_of(spec);
  mlp = {.width = mlp.width, .act = nomic_act(c), .gated = true, .bias = false};
  return spec;
}

static Spec jina(const Value& c) { return rotary(c, 8194, 20000.0, 1, 1e-5); }

static Spec gte(const Value& c) {
  Spec spec = rotary(c, 8192, 160000.0, 1, 1e-12);
  MlpSpec& mlp = mlp_of(spec);
  mlp.gated = true;
  mlp.bias = false;
  mlp.down_bias = true;
  return spec;
}

static constexpr WeightRow kNomicWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.segments", "embeddings.token_type_embeddings"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"embed.norm", "emb_ln"},
    {"attention.query", "layers.{n}.self_attn.q_proj"},
    {"attention.key", "layers.{n}.self_attn.k_proj"},
    {"attention.value", "layers.{n}.self_attn.v_proj"},
    {"attention.qkv", "encoder.layers.{n}.attn.Wqkv"},
    {"attention.out", "layers.{n}.self_attn.o_proj"},
    {"attention.out", "encoder.layers.{n}.attn.out_proj"},
    {"attention.after", "layers.{n}.post_attention_layernorm"},
    {"attention.after", "encoder.layers.{n}.norm1"},
    {"mlp.gate", "layers.{n}.mlp.gate_proj"},
    {"mlp.gate", "encoder.layers.{n}.mlp.fc12"},
    {"mlp.up", "layers.{n}.mlp.up_proj"},
    {"mlp.up", "encoder.layers.{n}.mlp.fc11"},
    {"mlp.down", "layers.{n}.mlp.down_proj"},
    {"mlp.down", "encoder.layers.{n}.mlp.fc2"},
    {"mlp.after", "layers.{n}.post_mlp_layernorm"},
    {"mlp.after", "encoder.layers.{n}.norm2"},
};
static constexpr WeightRow kJinaWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.segments", "embeddings.token_type_embeddings"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"embed.norm", "emb_ln"},
    {"attention.query", "layers.{n}.self_attn.q_proj"},
    {"attention.key", "layers.{n}.self_attn.k_proj"},
    {"attention.value", "layers.{n}.self_attn.v_proj"},
    {"attention.qkv", "encoder.layers.{n}.mixer.Wqkv"},
    {"attention.out", "layers.{n}.self_attn.o_proj"},
    {"attention.out", "encoder.layers.{n}.mixer.out_proj"},
    {"attention.after", "layers.{n}.post_attention_layernorm"},
    {"attention.after", "encoder.layers.{n}.norm1"},
    {"mlp.up", "layers.{n}.mlp.fc1"},
    {"mlp.up", "encoder.layers.{n}.mlp.fc1"},
    {"mlp.down", "layers.{n}.mlp.fc2"},
    {"mlp.down", "encoder.layers.{n}.mlp.fc2"},
    {"mlp.after", "layers.{n}.post_mlp_layernorm"},
    {"mlp.after", "encoder.layers.{n}.norm2"},
};
static constexpr WeightRow kGteWeights[] = {
    {"embed.tokens", "embeddings.word_embeddings"},
    {"embed.tokens", "new.embeddings.word_embeddings"},
    {"embed.segments", "embeddings.token_type_embeddings"},
    {"embed.segments", "new.embeddings.token_type_embeddings"},
    {"embed.norm", "embeddings.LayerNorm"},
    {"embed.norm", "new.embeddings.LayerNorm"},
    {"attention.query", "layers.{n}.self_attn.q_proj"},
    {"attention.key", "layers.{n}.self_attn.k_proj"},
    {"attention.value", "layers.{n}.self_attn.v_proj"},
    {"attention.qkv", "encoder.layer.{n}.attention.qkv_proj"},
    {"attention.qkv", "new.encoder.layer.{n}.attention.qkv_proj"},
    {"attention.out", "layers.{n}.self_attn.o_proj"},
    {"attention.out", "encoder.layer.{n}.attention.o_proj"},
    {"attention.out", "new.encoder.layer.{n}.attention.o_proj"},
    {"attention.after", "layers.{n}.post_attention_layernorm"},
    {"attention.after", "encoder.layer.{n}.attn_ln"},
    {"attention.after", "new.encoder.layer.{n}.attn_ln"},
    {"mlp.gate", "layers.{n}.mlp.gate_proj"},
    {"mlp.up", "layers.{n}.mlp.up_proj"},
    {"mlp.gate_up", "encoder.layer.{n}.mlp.up_gate_proj", Load::kUpFirst},
    {"mlp.gate_up", "new.encoder.layer.{n}.mlp.up_gate_proj", Load::kUpFirst},
    {"mlp.down", "layers.{n}.mlp.down_proj"},
    {"mlp.down", "encoder.layer.{n}.mlp.down_proj"},
    {"mlp.down", "new.encoder.layer.{n}.mlp.down_proj"},
    {"mlp.after", "layers.{n}.post_mlp_layernorm"},
    {"mlp.after", "encoder.layer.{n}.mlp_ln"},
    {"mlp.after", "new.encoder.layer.{n}.mlp_ln"},
};

using Step = HeadStep;

static std::vector<HeadOutput> nomic_masked_lm(const Value& c) {
  return {{"logits",
           {{.kind = Step::kDense, .name = "cls.predictions.transform.dense", .act = nomic_act(c)},
            {.kind = Step::kNorm,
             .name = "cls.predictions.transform.layer_norm",
             .norm = {NormKind::kLayer, c.d("layer_norm_eps", 1e-12)}},
            {.kind = Step::kVocab,
             .name = "cls.predictions.decoder",
             .bias = "cls.predictions.decoder.bias",
             .tied_bias = "cls.predictions.bias"}}}};
}
static std::vector<HeadOutput> jina_masked_lm(const Value& c) { return gelu_lm_head(c, 1e-5); }
static std::vector<HeadOutput> gte_masked_lm(const Value& c) {
  return {{"logits",
           {{.kind = Step::kDense, .name = "lm_head.dense", .act = Act::kGeluErf},
            {.kind = Step::kNorm,
             .name = "lm_head.layer_norm",
             .older = "lm_head.norm",
             .norm = {NormKind::kLayer, c.d("layer_norm_eps", 1e-12)}},
            {.kind = Step::kVocab, .name = "lm_head.decoder", .bias = "lm_head.decoder.bias"}}}};
}

static constexpr ModelClass kNomicClasses[] = {
    {"NomicBertModel", {kTokens}},
    {"NomicBertForMaskedLM", {kTokens, "labels"}, nomic_masked_lm},
    {"NomicBertForSequenceClassification", {kTokens, "labels"}, pooled_head},
    {"NomicBertForTokenClassification", {kTokens, "labels"}, token_head},
};
static constexpr ModelClass kJinaClasses[] = {
    {"JinaEmbeddingsV3Model", {kTokens}, tanh_pooler},
    {"JinaEmbeddingsV3ForMaskedLM", {kTokens, "labels"}, jina_masked_lm},
    {"JinaEmbeddingsV3ForSequenceClassification", {kTokens, "labels"}, first_row_head},
    {"JinaEmbeddingsV3ForTokenClassification", {kTokens, "labels"}, token_head},
    {"JinaEmbeddingsV3ForQuestionAnswering", {kTokens, kSpans}, span_head},
};
static constexpr ModelClass kGteClasses[] = {
    {"GteModel", {kTokens}},
    {"GteForMaskedLM", {kTokens, "labels"}, gte_masked_lm},
    {"GteForSequenceClassification", {kTokens, "labels"}, pooled_head},
    {"GteForTokenClassification", {kTokens, "labels"}, token_head},
};

static constexpr Default kNomicDefaults[] = {{"pad_token_id", 0}};
static constexpr Default kJinaDefaults[] = {{"pad_token_id", 1}, {"bos_token_id", 0}, {"eos_token_id", 2}};
static constexpr Default kGteDefaults[] = {{"pad_token_id", 1}};

extern const Arch kNomicBert, kJinaEmbeddingsV3, kGte;
const Arch kNomicBert{.model_type = "nomic_bert",
                      .prefix = "nomic_bert.",
                      .spec = nomic,
                      .encoder = kNomicWeights,
                      .decoder = {},
                      .classes = kNomicClasses,
                      .keys =
                          "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
                          "type_vocab_size hidden_act layer_norm_eps head_dim max_position_embeddings rope_parameters "
                          "rope_scaling rope_theta num_labels tie_word_embeddings initializer_range",
                      .defaults = kNomicDefaults};
const Arch kJinaEmbeddingsV3{.model_type = "jina_embeddings_v3",
                             .prefix = "roberta.",
                             .spec = jina,
                             .encoder = kJinaWeights,
                             .decoder = {},
                             .classes = kJinaClasses,
                             .keys =
                                 "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size "
                                 "type_vocab_size hidden_act layer_norm_eps max_position_embeddings rope_parameters "
                                 "rope_scaling rope_theta num_labels tie_word_embeddings initializer_range",
                             .defaults = kJinaDefaults};
const Arch kGte{
    .model_type = "gte",
    .prefix = "gte.",
    .spec = gte,
    .encoder = kGteWeights,
    .decoder = {},
    .classes = kGteClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads intermediate_size type_vocab_size "
        "hidden_act layer_norm_eps max_position_embeddings rope_parameters rope_scaling rope_theta num_labels "
        "tie_word_embeddings initializer_range",
    .defaults = kGteDefaults};

}  // namespace fastplm
