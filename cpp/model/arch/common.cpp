// What families share.
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

// Names: transformers ACT2FN. Several stand for one function, up to rounding. Missing are prelu and xielu, which have
// learned parameters, and sqrtsoftplus, which scores the experts of a router.
static constexpr struct {
  const char* name;
  Act act;
} kActivations[] = {
    {"gelu", Act::kGeluErf},
    {"gelu_10", Act::kGelu10},
    {"gelu_accurate", Act::kGeluTanh},
    {"gelu_fast", Act::kGeluTanh},
    {"gelu_new", Act::kGeluTanh},
    {"gelu_python", Act::kGeluErf},
    {"gelu_python_tanh", Act::kGeluTanh},
    {"gelu_pytorch_tanh", Act::kGeluTanh},
    {"hardswish", Act::kHardSwish},
    {"laplace", Act::kLaplace},
    {"leaky_relu", Act::kLeakyRelu},
    {"linear", Act::kNone},
    {"mish", Act::kMish},
    {"quick_gelu", Act::kQuickGelu},
    {"relu", Act::kRelu},
    {"relu2", Act::kRelu2},
    {"relu6", Act::kRelu6},
    {"sigmoid", Act::kSigmoid},
    {"silu", Act::kSilu},
    {"swish", Act::kSilu},
    {"tanh", Act::kTanh},
};

Act act_from(const std::string& hf_name) {
  std::string known;
  for (const auto& [name, act] : kActivations) {
    if (hf_name == name) return act;
    known += std::string(" ") + name;
  }
  fail(ErrorKind::kUnsupported, "activation \"", hf_name, "\" is not supported; known:", known);
}

int64_t head_dim_of(int64_t width, int64_t heads) {
  if (width % heads == 0) return width / heads;
  fail(ErrorKind::kFile, "\"hidden_size\" is ", width, "; expected a multiple of \"num_attention_heads\", ", heads);
}

int64_t after_padding(int64_t positions, int64_t padding) {
  if (positions > padding + 1) return positions - padding - 1;
  fail(ErrorKind::kFile, "\"max_position_embeddings\" is ", positions, "; positions begin at ", padding + 1,
       ", behind that of padding: expected more than that");
}

double inverse_sqrt(int64_t n) { return 1.0 / std::sqrt(double(n)); }

int64_t labels_of(const Value& c) { return c.i_in("num_labels", 2, 1, kMaxSize); }

LayerSpec post_norm(const AttentionSpec& attention, const MlpSpec& mlp, const NormSpec& norm) {
  return {{{{{}, attention}}, norm}, {{{{}, mlp}}, norm}};
}

LayerSpec pre_norm(const AttentionSpec& attention, const MlpSpec& mlp, const NormSpec& norm) {
  return {{{{norm, attention}}, {}}, {{{norm, mlp}}, {}}};
}

std::vector<HeadOutput> tanh_pooler(const Value&) {
  return {{.name = "pooler_output",
           .steps = {{HeadStep::kFirst}, {.kind = HeadStep::kDense, .name = "pooler.dense", .act = Act::kTanh}},
           .optional = true}};
}

std::vector<HeadOutput> span_head(const Value&) {
  return {{"logits", {{.kind = HeadStep::kDense, .name = "qa_outputs", .width = 2}}}};
}

std::vector<HeadOutput> token_head(const Value& c) {
  return {{"logits", {{.kind = HeadStep::kDense, .name = "classifier", .width = labels_of(c)}}}};
}

static std::vector<HeadOutput> pooled(int64_t classes) {
  return {{"logits",
           {{HeadStep::kFirst},
            {.kind = HeadStep::kDense, .name = "pooler.dense", .act = Act::kTanh},
            {.kind = HeadStep::kDense, .name = "classifier", .width = classes}}}};
}
std::vector<HeadOutput> pooled_head(const Value& c) { return pooled(labels_of(c)); }
std::vector<HeadOutput> choice_head(const Value&) { return pooled(1); }

std::vector<HeadOutput> first_row_head(const Value& c) {
  return {{"logits",
           {{HeadStep::kFirst},
            {.kind = HeadStep::kDense, .name = "classifier.dense", .act = Act::kTanh},
            {.kind = HeadStep::kDense, .name = "classifier.out_proj", .width = labels_of(c)}}}};
}

std::vector<HeadOutput> gelu_lm_head(const Value& c, double eps) {
  return {
      {"logits",
       {{.kind = HeadStep::kDense, .name = "lm_head.dense", .act = Act::kGeluErf},
        {.kind = HeadStep::kNorm, .name = "lm_head.layer_norm", .norm = {NormKind::kLayer, c.d("layer_norm_eps", eps)}},
        {.kind = HeadStep::kVocab,
         .name = "lm_head.decoder",
         .bias = "lm_head.decoder.bias",
         .tied_bias = "lm_head.bias"}}}};
}

std::vector<HeadStep> summary(const Value& c, const char* name, const char* type, const char* activation,
                              int64_t labels) {
  const bool first = type == std::string("first");
  if (const std::string said = c.s("summary_type", type); said != type) {
    fail(ErrorKind::kUnsupported, "summary_type is \"", said, "\"; expected \"", type, "\"");
  }
  if (!c.b("summary_use_proj", true)) {
    fail(ErrorKind::kUnsupported, "summary_use_proj is false; expected true");
  }
  const std::string act = c.s("summary_activation", activation);
  return {{first ? HeadStep::kFirst : HeadStep::kGather},
          {.kind = HeadStep::kDense,
           .name = name,
           .width = c.b("summary_proj_to_labels", true) ? labels : 0,
           .act = act.empty() ? Act::kNone : act_from(act)}};
}

Spec decoder_if_said(const Value& c, Spec spec) {
  if (!c.b("is_decoder", false)) return spec;
  for (LayerSpec& layer : spec.encoder->kinds) {
    for (Sublayer& sublayer : layer) {
      for (Branch& branch : sublayer.branches) {
        if (auto* attention = std::get_if<AttentionSpec>(&branch.op)) attention->see.causal = true;
      }
    }
  }
  spec.decoder = std::move(spec.encoder);
  spec.encoder.reset();
  return spec;
}

std::vector<int> one_kind(int64_t layers) { return std::vector<int>(size_t(layers), 0); }

std::vector<int> own_weights(int64_t layers) {
  std::vector<int> weights(static_cast<size_t>(layers));
  std::iota(weights.begin(), weights.end(), 0);
  return weights;
}

}  // namespace fastplm
