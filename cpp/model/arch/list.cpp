// Every model family, once.
#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

extern const Arch kBart, kBert, kGpt2, kLlama, kModernBert, kMpnet, kRoberta, kT5;

static const Arch* const kArchitectures[] = {&kBert, &kRoberta, &kModernBert, &kT5, &kMpnet, &kGpt2, &kLlama, &kBart};

std::span<const Arch* const> architectures() { return kArchitectures; }

const Arch& arch_of(const std::string& model_type) {
  std::string known;
  for (const Arch* arch : kArchitectures) {
    if (model_type == arch->model_type) return *arch;
    known += std::string(" ") + arch->model_type;
  }
  fail(ErrorKind::kUnsupported, "model_type \"", model_type, "\" is not supported; known:", known);
}

const ModelClass& class_of(const Arch& arch, const std::string& name) {
  for (const ModelClass& known : arch.classes) {
    if (name == known.name) return known;
  }
  fail(ErrorKind::kUnsupported, "the family ", arch.model_type, " has no class ", name);
}

}  // namespace fastplm
