// Every model family, once.
#include <cmath>

#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

extern const Arch kBert, kRoberta, kModernBert, kT5, kMpnet;

static const Arch* const kArchitectures[] = {&kBert, &kRoberta, &kModernBert, &kT5, &kMpnet};

std::span<const Arch* const> architectures() { return kArchitectures; }

const Arch& arch_of(const std::string& model_type) {
  std::string known;
  for (const Arch* arch : kArchitectures) {
    if (model_type == arch->model_type) return *arch;
    known += std::string(" ") + arch->model_type;
  }
  fail(ErrorKind::kUnsupported, "model_type \"", model_type, "\" is not supported; known:", known);
}

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

double inverse_sqrt(int64_t n) { return 1.0 / std::sqrt(double(n)); }

}  // namespace fastplm
