// Every model family, once.
#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

extern const Arch kBart, kBert, kGemma2, kGemma3, kGpt2, kGptNeo, kGptNeoX, kGranite, kLlama, kM2m100, kMarian, kMbart,
    kMistral, kModernBert, kMt5, kUmt5, kMpnet, kOlmo2, kOpt, kPegasus, kPhi3, kQwen2, kQwen3, kRoberta, kSmolLm3, kT5;

static const Arch* const kArchitectures[] = {
    &kBert,   &kRoberta, &kModernBert, &kT5,      &kMpnet,   &kGpt2,    &kLlama,  &kBart,   &kMistral,
    &kQwen2,  &kQwen3,   &kPhi3,       &kSmolLm3, &kOlmo2,   &kGranite, &kGemma2, &kGemma3, &kGptNeoX,
    &kGptNeo, &kMbart,   &kMarian,     &kM2m100,  &kPegasus, &kOpt,     &kMt5,    &kUmt5};

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
