// Every model family, once.
#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

extern const Arch kAlbert, kBart, kBert, kCamembert, kDeberta, kDebertaV2, kDistilBert, kElectra, kEuroBert, kGpt2,
    kGte, kJinaEmbeddingsV3, kLlama, kModernBert, kMpnet, kNomicBert, kRoberta, kT5, kXlm, kXlmRoberta, kXlmRobertaXl;

static const Arch* const kArchitectures[] = {
    &kBert,     &kRoberta, &kXlmRoberta, &kCamembert, &kXlmRobertaXl, &kXlm,       &kDistilBert,       &kElectra,
    &kAlbert,   &kDeberta, &kDebertaV2,  &kMpnet,     &kModernBert,   &kNomicBert, &kJinaEmbeddingsV3, &kGte,
    &kEuroBert, &kT5,      &kGpt2,       &kLlama,     &kBart};

std::span<const Arch* const> architectures() { return kArchitectures; }

const Arch& arch_of(const std::string& model_type) {
  std::string known;
  for (const Arch* arch : kArchitectures) {
    if (model_type == arch->model_type) return *arch;
    known += std::string(" ") + arch->model_type;
  }
  fail(ErrorKind::kUnsupported, "model_type \"", model_type, "\" is not supported; known:", known);
}

std::string name_of(const Arch& arch, const ModelClass& known) {
  return *known.name == '*' ? arch.stem + std::string(known.name + 1) : known.name;
}

const ModelClass& class_of(const Arch& arch, const std::string& name) {
  for (const ModelClass& known : arch.classes) {
    if (name == name_of(arch, known)) return known;
  }
  fail(ErrorKind::kUnsupported, "the family ", arch.model_type, " has no class ", name);
}

}  // namespace fastplm
