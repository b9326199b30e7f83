// Every model family, once.
#include <sstream>

#include "core/error.h"
#include "model/arch.h"

namespace fastplm {

extern const Arch kAlbert, kBart, kBert, kCamembert, kDeberta, kDebertaV2, kDistilBert, kElectra, kGpt2, kLlama,
    kModernBert, kMpnet, kRoberta, kT5, kXlm, kXlmRoberta, kXlmRobertaXl;

static const Arch* const kArchitectures[] = {
    &kBert,    &kRoberta,   &kXlmRoberta, &kCamembert, &kXlmRobertaXl, &kXlm, &kDistilBert, &kElectra, &kAlbert,
    &kDeberta, &kDebertaV2, &kMpnet,      &kModernBert, &kT5,           &kGpt2, &kLlama,      &kBart};

std::span<const Arch* const> architectures() { return kArchitectures; }

const Arch& arch_of(const std::string& model_type) {
  std::string known;
  for (const Arch* arch : kArchitectures) {
    if (model_type == arch->model_type) return *arch;
    known += std::string(" ") + arch->model_type;
  }
  fail(ErrorKind::kUnsupported, "model_type \"", model_type, "\" is not supported; known:", known);
}

std::vector<std::string> names_of(const Arch& arch, const ModelClass& known) {
  std::vector<std::string> names;
  std::istringstream words(known.names);
  for (std::string name; words >> name;) {
    if (name.front() == '*') name.replace(0, 1, arch.stem);
    names.push_back(name);
  }
  return names;
}

const ModelClass& class_of(const Arch& arch, const std::string& name) {
  for (const ModelClass& known : arch.classes) {
    for (const std::string& one : names_of(arch, known)) {
      if (one == name) return known;
    }
  }
  fail(ErrorKind::kUnsupported, "the family ", arch.model_type, " has no class ", name);
}

}  // namespace fastplm
