#include "model/describe.h"

#include "model/parts.h"

namespace fastplm {
namespace {

// Answers with empty weights and notes what it was asked for.
class Notes final : public Loader {
 public:
  using Loader::Loader;

  bool has(const std::string& slot, int64_t) const override { return named(slot); }
  // As transformers has it: its names stand first in a family's rows, those of older checkpoints behind them.
  bool as_one(const std::string& whole, const std::string& part, int64_t) const override {
    return place_of(whole) < place_of(part);
  }
  TensorView table(const char* slot, const Shape& shape, int64_t layer, Memory*) override {
    note(slot, layer, ".weight", shape);
    return {};
  }
  TensorView blank(const Shape&, DType) override { return {}; }
  TokenTable tokens(int64_t vocab, int64_t width) override {
    taken.push_back({stack_, "embed.tokens.weight", 0, token_names(), {vocab, width}, Load::kAsIs});
    return {};
  }
  LinearWeights projection(int64_t vocab, int64_t width) override {
    taken.push_back({"head", projection_ + std::string(".weight"), 0, projection_names(), {vocab, width}, Load::kAsIs});
    return {};
  }
  NormWeights norm(const std::string& slot, int64_t layer, int64_t width, bool bias) override {
    note(slot, layer, ".weight", {width});
    if (bias) note(slot, layer, ".bias", {width});
    return {};
  }
  LinearWeights linear(const std::vector<Part>& parts, int64_t layer, int64_t k, bool bias, const ops::Factors&,
                       Memory*) override {
    for (const Part& part : parts) {
      note(part.slot, layer, ".weight", stored_shape(part, load_of(part.slot), k));
      if (bias) note(part.slot, layer, ".bias", {part.rows});
    }
    return {};
  }
  std::vector<float> balance(const std::vector<Part>&, int64_t, int64_t, int64_t, int64_t) override { return {}; }
  LinearWeights convolution(const std::string& slot, int64_t n, int64_t k, int64_t length) override {
    note(slot, 0, ".weight", {n, k, length});
    note(slot, 0, ".bias", {n});
    return {};
  }
  TensorView vectors(const std::vector<Part>& parts, int64_t layer) override {
    for (const Part& part : parts) {
      if (named(part.slot)) note(part.slot, layer, "", {part.rows});
    }
    return {};
  }
  bool has_vector(const std::string& slot, int64_t) const override { return named(slot); }
  bool has_named(const std::string&) const override { return true; }
  LinearWeights named_linear(const char* name, const char* bias_name, int64_t n, int64_t k, bool bias) override {
    note_head(name, ".weight", {n, k});
    if (bias) bias_name ? note_head(bias_name, "", {n}) : note_head(name, ".bias", {n});
    return {};
  }
  NormWeights named_norm(const char* name, int64_t width, bool bias) override {
    note_head(name, ".weight", {width});
    if (bias) note_head(name, ".bias", {width});
    return {};
  }
  TensorView named_bias(const std::string& name, int64_t n, bool) override {
    note_head(name, "", {n});
    return {};
  }

  std::vector<WeightNote> taken;

 private:
  void note(const std::string& slot, int64_t layer, const char* kind, Shape shape) {
    WeightNote weight{stack_, slot + kind, layer, names_of(slot.c_str(), layer, kind), shape, Load::kAsIs};
    weight.load = load_of(slot);
    if (weight.load == Load::kTransposed && shape.rank == 1) weight.load = Load::kAsIs;   // of a bias
    if (weight.names.empty()) fail(ErrorKind::kInternal, arch_.model_type, ": no row for the slot ", slot);
    taken.push_back(std::move(weight));
  }
  Load load_of(const std::string& slot) const {   // as transformers has it
    return named(slot) ? row_at(place_of(slot)).load : Load::kAsIs;
  }
  void note_head(const std::string& name, const char* kind, Shape shape) {
    taken.push_back({"head", name + kind, 0, names_of(name, kind), shape, Load::kAsIs});
  }
};

}  // namespace

Description describe(const std::string& model_type, const std::string& class_name, const Value& config) {
  const Arch& arch = arch_of(model_type);
  const ModelClass& kind = class_of(arch, class_name);
  Notes notes(arch, kind);
  Parts parts = load_parts(notes, arch, kind, config, true);
  Description description{
      .spec = std::move(parts.spec), .tied = notes.tied(), .heads = {}, .weights = std::move(notes.taken)};
  for (LoadedHead& head : parts.heads) description.heads.push_back(std::move(head.spec));
  return description;
}

}  // namespace fastplm
