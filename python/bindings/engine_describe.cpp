// What a model is, as nested dicts: spec.h and the weights that its class asks for; and how work is shared out.
#include <pybind11/stl.h>

#include "engine.h"
#include "model/describe.h"
#include "model/schedule.h"
#include "model/stack.h"
#include "names.h"

using namespace fastplm;
using namespace pybind11::literals;

namespace {

template <class T, class Fn>
py::list list_of(const std::vector<T>& items, const Fn& fn) {
  py::list list;
  for (const T& item : items) list.append(fn(item));
  return list;
}

template <class T, class Fn>
py::object maybe(const std::optional<T>& item, const Fn& fn) {
  return item ? py::object(fn(*item)) : py::none();
}

py::dict dict_of(const NormSpec& s) { return py::dict("kind"_a = name_of(s.kind), "eps"_a = s.eps, "bias"_a = s.bias); }
py::object maybe_norm(const std::optional<NormSpec>& s) {
  return maybe(s, [](const NormSpec& norm) { return dict_of(norm); });
}

py::object score_of(const ScoreBias& score) {
  if (const auto* rope = std::get_if<Rope>(&score)) {
    const auto longer = [](const Rope::Longer& l) {
      return py::dict("past"_a = l.past, "frequencies"_a = l.frequencies, "theta"_a = l.theta, "factor"_a = l.factor);
    };
    return py::dict("kind"_a = "rope", "frequencies"_a = rope->frequencies, "factor"_a = rope->factor,
                    "longer"_a = maybe(rope->longer, longer));
  }
  if (const auto* buckets = std::get_if<Buckets>(&score)) {
    return py::dict("kind"_a = "buckets", "count"_a = buckets->count, "max_distance"_a = buckets->max_distance,
                    "both_ways"_a = buckets->both_ways, "each_layer"_a = buckets->each_layer);
  }
  if (const auto* relative = std::get_if<RelativeKeys>(&score)) {
    return py::dict("kind"_a = "relative_keys", "count"_a = relative->count, "buckets"_a = relative->buckets,
                    "max_distance"_a = relative->max_distance, "keys"_a = relative->keys,
                    "queries"_a = relative->queries, "shared"_a = relative->shared, "key_bias"_a = relative->key_bias,
                    "norm"_a = maybe_norm(relative->norm));
  }
  if (const auto* waves = std::get_if<RelativeWaves>(&score))
    return py::dict("kind"_a = "relative_waves", "furthest"_a = waves->furthest, "halves"_a = waves->halves);
  return py::none();
}

py::dict dict_of(const AttentionSpec& s) {
  const auto norm = [](const QkNorm& n) { return py::dict("eps"_a = n.eps, "whole_row"_a = n.whole_row); };
  return py::dict("op"_a = "attention", "heads"_a = s.heads, "kv_heads"_a = s.kv_heads, "head_dim"_a = s.head_dim,
                  "scale"_a = s.scale, "qkv_bias"_a = s.qkv_bias, "out_bias"_a = s.out_bias,
                  "qk_norm"_a = maybe(s.qk_norm, norm), "softcap"_a = s.softcap, "causal"_a = s.see.causal,
                  "window"_a = s.see.window < 0 ? std::nullopt : std::optional(s.see.window),
                  "as_remembered"_a = s.see.as_remembered, "keys"_a = s.keys == Source::kSelf ? "self" : "encoder",
                  "score"_a = score_of(s.score));
}

py::dict dict_of(const MlpSpec& s) {
  return py::dict("op"_a = "mlp", "width"_a = s.width, "act"_a = name_of(s.act), "gated"_a = s.gated, "bias"_a = s.bias,
                  "down_bias"_a = s.down_bias);
}

py::dict dict_of(const ConvSpec& s) {
  return py::dict("op"_a = "conv", "length"_a = s.length, "act"_a = name_of(s.act));
}

py::dict dict_of(const Branch& s) {
  return py::dict("slot"_a = slot_of(s), "before"_a = maybe_norm(s.before),
                  "op"_a = std::visit([](const auto& op) { return dict_of(op); }, s.op),
                  "inner"_a = maybe_norm(s.inner), "factor"_a = s.factor);
}

py::list list_of_layer(const LayerSpec& layer) {
  return list_of(layer, [](const Sublayer& s) {
    return py::dict("branches"_a = list_of(s.branches, [](const Branch& b) { return dict_of(b); }),
                    "after"_a = maybe_norm(s.after));
  });
}

py::dict dict_of(const EmbedSpec& s) {
  const auto positions = [](const LearnedPositions& p) {
    static constexpr const char* kWaves[] = {"learned", "halves", "turns", "steps"};   // Waves
    return py::dict("count"_a = p.count, "first"_a = p.first, "padding_id"_a = p.padding_id,
                    "waves"_a = kWaves[size_t(p.waves)], "of_shown"_a = p.of_shown);
  };
  static constexpr const char* kProject[] = {nullptr, "before_positions", "before_norm",
                                             "after_norm"};   // EmbedSpec::Project
  return py::dict("vocab"_a = s.vocab, "segments"_a = s.segments, "positions"_a = maybe(s.positions, positions),
                  "scale"_a = s.scale, "scales_given"_a = s.scales_given, "norm"_a = maybe_norm(s.norm),
                  "languages"_a = s.languages, "segments_are_tokens"_a = s.segments_are_tokens,
                  "width"_a = s.width ? std::optional(s.width) : std::nullopt,
                  "project"_a = kProject[size_t(s.project)], "project_bias"_a = s.project_bias, "target"_a = s.target);
}

py::dict dict_of(const StackSpec& s) {
  static constexpr const char* kHidden[] = {"token", "zero", "blind"};   // Hidden
  return py::dict("width"_a = s.width, "embed"_a = dict_of(s.embed), "kinds"_a = list_of(s.kinds, list_of_layer),
                  "kind_of"_a = s.kind_of, "weights_of"_a = s.weights_of, "last"_a = maybe_norm(s.last),
                  "projected"_a = s.projected ? std::optional(s.projected) : std::nullopt,
                  "max_length"_a = s.max_length ? std::optional(s.max_length) : std::nullopt,
                  "hidden"_a = kHidden[size_t(s.hidden)]);
}

py::dict dict_of(const HeadStep& s) {
  static constexpr const char* kKinds[] = {"first", "first_shown", "gather", "mean",
                                           "dense", "norm",        "scale",  "vocab"};   // HeadStep::Kind
  py::dict step("kind"_a = kKinds[s.kind]);
  if (s.kind == HeadStep::kDense || s.kind == HeadStep::kVocab || s.kind == HeadStep::kNorm) step["name"] = s.name;
  if (s.kind == HeadStep::kDense) {
    step["width"] = s.width ? std::optional(s.width) : std::nullopt;
    step["act"] = name_of(s.act);
    step["has_bias"] = s.has_bias;
  }
  if (s.kind == HeadStep::kDense || s.kind == HeadStep::kVocab) step["bias"] = s.bias;
  if (s.kind == HeadStep::kNorm) step["norm"] = dict_of(s.norm);
  if (s.kind == HeadStep::kScale) step["factor"] = s.factor;
  return step;
}

py::dict dict_of(const HeadOutput& s) {
  return py::dict("name"_a = s.name, "steps"_a = list_of(s.steps, [](const HeadStep& step) { return dict_of(step); }),
                  "optional"_a = s.optional);
}

py::dict dict_of(const WeightNote& w) {
  static constexpr const char* kStored[] = {"as_is", "transposed", "by_head", "up_first", "less_one"};   // Load
  return py::dict("stack"_a = w.stack, "slot"_a = w.slot, "layer"_a = w.layer, "names"_a = w.names,
                  "shape"_a = std::vector<int64_t>(w.shape.dims.begin(), w.shape.dims.begin() + w.shape.rank),
                  "stored"_a = kStored[size_t(w.load)]);
}

py::dict describe_model(const std::string& model_type, const std::string& class_name, const py::dict& config) {
  const Description d = describe(model_type, class_name, to_value(config));
  const auto stack = [](const StackSpec& s) { return dict_of(s); };
  return py::dict("encoder"_a = maybe(d.spec.encoder, stack), "decoder"_a = maybe(d.spec.decoder, stack),
                  "tied"_a = d.tied, "heads"_a = list_of(d.heads, [](const HeadOutput& head) { return dict_of(head); }),
                  "weights"_a = list_of(d.weights, [](const WeightNote& w) { return dict_of(w); }));
}

double idle_share_of(const std::vector<int32_t>& lengths, int threads) {
  std::vector<int32_t> starts(1, 0);
  for (int32_t length : lengths) {
    if (length < 0) fail(ErrorKind::kValue, "idle_share: lengths holds ", length, "; expected 0 or more");
    starts.push_back(starts.back() + length);
  }
  if (threads < 1) fail(ErrorKind::kValue, "idle_share: threads is ", threads, "; expected 1 or more");
  return idle_share(Sequences{starts.data()}.part(0, int64_t(lengths.size())), threads);
}

}  // namespace

void bind_describe(py::module_& m) {
  m.def("describe", &describe_model, py::arg("model_type"), py::arg("class_name"), py::arg("config"));
  m.def("idle_share", &idle_share_of, py::arg("lengths"), py::arg("threads"));
}
