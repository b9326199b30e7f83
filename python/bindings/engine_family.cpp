// What Python needs to know of model families, without a checkpoint.
#include <pybind11/stl.h>

#include <sstream>

#include "engine.h"
#include "model/arch.h"

using namespace fastplm;

namespace {

py::list words(const char* text) {
  py::list list;
  std::istringstream in(text ? text : "");
  for (std::string word; in >> word;) list.append(word);
  return list;
}

py::dict class_dict(const ModelClass& known) {
  static constexpr const char* kPicks[] = {"none", "last_token", "last_end", "named", "summary"};
  py::list arguments;
  for (const char* part : known.arguments) {
    for (const auto& name : words(part)) arguments.append(name);
  }
  py::dict out;
  out["arguments"] = arguments;
  out["pick"] = kPicks[size_t(known.pick)];
  out["encoder_alone"] = known.stacks == Stacks::kEncoder;
  out["decoder_alone"] = known.stacks == Stacks::kDecoder;
  out["empty_cross"] = known.empty_cross;
  out["refused"] = known.refused ? py::object(py::str(known.refused)) : py::object(py::none());
  out["also"] = known.also ? py::object(py::str(known.also)) : py::object(py::none());
  return out;
}

// What Python needs to know of a family (arch.h).
py::dict family(const std::string& model_type) {
  const Arch& arch = arch_of(model_type);
  bool transposed = false;
  for (const auto& rows : {arch.encoder, arch.decoder}) {
    for (const WeightRow& row : rows) transposed |= row.load == Load::kTransposed;
  }
  py::dict aliases, defaults, classes, manners, out;
  for (const Alias& alias : arch.aliases) aliases[alias.name] = alias.own;
  for (const Default& known : arch.defaults) defaults[known.name] = known.value;
  for (const ModelClass& known : arch.classes) classes[name_of(arch, known).c_str()] = class_dict(known);
  manners["shifts_input_ids"] = arch.manners.shifts_input_ids;
  manners["wraps_last_id"] = arch.manners.wraps_last_id;
  manners["labels_stop_cache"] = arch.manners.labels_stop_cache;
  manners["keeps_cache_back"] = arch.manners.keeps_cache_back;
  manners["counts_encoder_layers"] = arch.manners.counts_encoder_layers;
  manners["states_all_or_none"] = arch.manners.states_all_or_none;
  manners["span_loss_by_count"] = arch.manners.span_loss_by_count;
  manners["token_loss_by_mask"] = arch.manners.token_loss_by_mask;
  manners["masked_loss_by_count"] = arch.manners.masked_loss_by_count;
  manners["labels_choose_loss"] = arch.manners.labels_choose_loss;
  manners["mask_by_lengths"] = arch.manners.mask_by_lengths;
  manners["labels_stand_still"] = arch.manners.labels_stand_still;
  out["keys"] = words(arch.keys);
  out["aliases"] = aliases;
  out["defaults"] = defaults;
  out["prefix"] = arch.prefix;
  out["stacks"] = arch.decoder.empty() ? "encoder" : arch.encoder.empty() ? "decoder" : "both";
  out["transposed"] = transposed;
  out["classes"] = classes;
  out["manners"] = manners;
  return out;
}

// Throws what is wrong with a config, before any tensor is looked at.
void check_config(const std::string& model_type, const py::dict& config) { arch_of(model_type).spec(to_value(config)); }

}  // namespace

void bind_family(py::module_& m) {
  m.def("architectures", [] {
    std::vector<std::string> names;
    for (const Arch* arch : architectures()) names.push_back(arch->model_type);
    return names;
  });
  m.def("family", &family, py::arg("model_type"));
  m.def("check_config", &check_config, py::arg("model_type"), py::arg("config"));
}
