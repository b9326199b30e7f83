// Every model family, once.
#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

extern const Arch kAlbert, kBart, kBert, kCamembert, kDeberta, kDebertaV2, kDistilBert, kElectra, kEuroBert, kGemma2,
    kGemma3, kGpt2, kGptNeo, kGptNeoX, kGranite, kGte, kJinaEmbeddingsV3, kLlama, kM2m100, kMarian, kMbart, kMistral,
    kModernBert, kMpnet, kMt5, kNomicBert, kOlmo2, kOpt, kPegasus, kPhi3, kQwen2, kQwen3, kRoberta, kSmolLm3, kT5,
    kUmt5, kXlm, kXlmRoberta, kXlmRobertaXl, kXlnet;

static const Arch* const kArchitectures[] = {
    &kBert,     &kRoberta,   &kXlmRoberta, &kCamembert,  &kXlmRobertaXl,
    &kXlm,      &kXlnet,     &kDistilBert, &kElectra,    &kAlbert,
    &kDeberta,  &kDebertaV2, &kMpnet,      &kModernBert, &kT5,
    &kMt5,      &kUmt5,      &kGte,        &kNomicBert,  &kJinaEmbeddingsV3,
    &kEuroBert, &kGpt2,      &kGptNeo,     &kGptNeoX,    &kOpt,
    &kLlama,    &kMistral,   &kQwen2,      &kQwen3,      &kPhi3,
    &kOlmo2,    &kSmolLm3,   &kGranite,    &kGemma2,     &kGemma3,
    &kBart,     &kMbart,     &kMarian,     &kM2m100,     &kPegasus,
};

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
