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

// Names: transformers ACT2FN.
Act act_from(const std::string& hf_name) {
  if (hf_name == "gelu") return Act::kGeluErf;
  if (hf_name == "gelu_new" || hf_name == "gelu_pytorch_tanh" || hf_name == "gelu_fast") return Act::kGeluTanh;
  if (hf_name == "relu") return Act::kRelu;
  if (hf_name == "silu" || hf_name == "swish") return Act::kSilu;
  fail(ErrorKind::kUnsupported, "activation \"", hf_name,
       "\" is not supported; known: gelu gelu_new gelu_pytorch_tanh gelu_fast relu silu swish");
}

int64_t head_dim_of(int64_t width, int64_t heads) {
  if (width % heads == 0) return width / heads;
  fail(ErrorKind::kFile, "\"hidden_size\" is ", width, "; expected a multiple of \"num_attention_heads\", ", heads);
}

double inverse_sqrt(int64_t n) { return 1.0 / std::sqrt(double(n)); }

}  // namespace fastplm
