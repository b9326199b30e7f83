// Generation: numpy arrays and the caller's functions in, token ids out. What is checked here is what would touch
// memory; python/fastplm/generation checks the rest and names the arguments.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "core/error.h"
#include "engine.h"
#include "engine_cache.h"
#include "engine_generate.h"
#include "model/generate/generate.h"
#include "model/generate/scores.h"
#include "names.h"

using namespace fastplm;

Ids ids_of(const Value& list) {
  Ids ids;
  for (const Value& id : list.array("ids")) ids.push_back(int32_t(id.integer("ids")));
  return ids;
}

StopStrings stop_strings_from(const Value& settings, const py::tuple& texts) {
  StopStrings stop{.strings = {}, .bytes = py::cast<std::string>(texts[0]), .starts = {}};
  const auto starts = py::cast<py::array_t<int64_t, py::array::c_style>>(texts[1]);
  stop.starts.assign(starts.data(), starts.data() + starts.size());
  for (size_t i = 0; i < stop.starts.size(); ++i) {
    if (stop.starts[i] < (i ? stop.starts[i - 1] : 0) || stop.starts[i] > int64_t(stop.bytes.size())) {
      fail(ErrorKind::kInternal, "generate: texts of tokens that begin outside of their bytes");
    }
  }
  for (const Value& s : settings.at("stop_strings").array("stop_strings"))
    stop.strings.push_back(s.string("stop_strings"));
  return stop;
}

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;
template <class T>
using MaybeArray = std::optional<Array<T>>;
using MaybeFunction = std::optional<py::function>;

template <class T>
const T* data_of(const char* name, const MaybeArray<T>& array, const std::vector<py::ssize_t>& shape) {
  if (!array) return nullptr;
  if (!std::equal(shape.begin(), shape.end(), array->shape(), array->shape() + array->ndim()))
    fail(ErrorKind::kValue, "generate: ", name, " is of another shape than the prompts");
  return array->data();
}

template <class T>
Array<T> rectangle(const std::vector<std::vector<T>>& rows) {
  const size_t width = rows.empty() ? 0 : rows[0].size();
  Array<T> out(std::vector<py::ssize_t>{py::ssize_t(rows.size()), py::ssize_t(width)});
  for (size_t r = 0; r < rows.size(); ++r) std::ranges::copy(rows[r], out.mutable_data() + r * width);
  return out;
}

Array<int64_t> wide(const Hooks::Rows& ids) {
  const size_t width = ids.empty() ? 0 : ids[0].size();
  Array<int64_t> out(std::vector<py::ssize_t>{py::ssize_t(ids.size()), py::ssize_t(width)});
  for (size_t r = 0; r < ids.size(); ++r) std::ranges::copy(ids[r], out.mutable_data() + r * width);
  return out;
}

Array<int64_t> wide(std::span<const int32_t> ids) {
  Array<int64_t> out(py::ssize_t(ids.size()));
  std::ranges::copy(ids, out.mutable_data());
  return out;
}

std::vector<Array<float>> matrices(const std::vector<std::vector<float>>& steps, int64_t vocab) {
  std::vector<Array<float>> out;
  for (const auto& step : steps) {
    out.emplace_back(std::vector<py::ssize_t>{py::ssize_t(int64_t(step.size()) / vocab), py::ssize_t(vocab)});
    std::ranges::copy(step, out.back().mutable_data());
  }
  return out;
}

// A function's result, copied to where it belongs.
void copy_floats(const char* what, const py::object& result, std::span<float> to) {
  const auto array = Array<float>::ensure(result);
  if (!array) fail(ErrorKind::kType, "generate: ", what, " gave no array of numbers");
  if (size_t(array.size()) != to.size()) {
    fail(ErrorKind::kValue, "generate: ", what, " gave ", array.size(), " scores; expected ", to.size());
  }
  std::copy_n(array.data(), to.size(), to.data());
}

Hooks hooks_of(const MaybeFunction& process, const MaybeFunction& stop, const MaybeFunction& put, int64_t vocab) {
  Hooks hooks;
  if (process) {
    hooks.process = [&process, vocab](int64_t call, const Hooks::Rows& ids, std::span<float> scores) {
      const py::gil_scoped_acquire held;
      Array<float> copy(std::vector<py::ssize_t>{py::ssize_t(ids.size()), py::ssize_t(vocab)});   // it may be kept
      std::ranges::copy(scores, copy.mutable_data());
      copy_floats("a logits processor", (*process)(call, wide(ids), copy), scores);
    };
  }
  if (process) {
    hooks.mask = [&process](int64_t mask, const Hooks::Rows& ids) {
      const py::gil_scoped_acquire held;
      return words_of((*process)(mask, wide(ids), py::none()));
    };
  }
  if (stop) {
    hooks.stop = [&stop](const Hooks::Rows& ids) {
      const py::gil_scoped_acquire held;
      const auto flags = Array<uint8_t>::ensure((*stop)(wide(ids)));
      if (!flags) fail(ErrorKind::kType, "generate: stopping criteria gave no array of flags");
      if (size_t(flags.size()) != ids.size()) {
        fail(ErrorKind::kValue, "generate: stopping criteria gave ", flags.size(), " flags; expected ", ids.size());
      }
      return std::vector<uint8_t>(flags.data(), flags.data() + flags.size());
    };
  }
  if (put) {
    hooks.put = [&put](std::span<const int32_t> tokens) {
      const py::gil_scoped_acquire held;
      (*put)(wide(tokens));
    };
  }
  return hooks;
}

// The model called by Python, which keeps what the call gives besides logits.
class CalledNextToken : public NextToken {
 public:
  CalledNextToken(py::object object, int64_t prompts, int64_t vocab)
      : object_(std::move(object)), prompts_(prompts), vocab_(vocab) {}
  void prefill(float* logits) override {
    const py::gil_scoped_acquire held;
    copy_floats("the model", object_.attr("prefill")(), {logits, size_t(prompts_ * vocab_)});
  }
  void step(std::span<const int32_t> tokens, float* logits) override {
    const py::gil_scoped_acquire held;
    copy_floats("the model", object_.attr("step")(wide(tokens)), {logits, tokens.size() * size_t(vocab_)});
  }
  void select(const std::vector<int64_t>& rows) override {
    const py::gil_scoped_acquire held;
    object_.attr("select")(rows);
  }
  void extend(std::span<const int32_t>, float*) override {
    fail(ErrorKind::kInternal, "generate: drafts are recorded");
  }
  void forget(int64_t) override { fail(ErrorKind::kInternal, "generate: drafts are recorded"); }
  int64_t room() const override { fail(ErrorKind::kInternal, "generate: drafts are recorded"); }
  int64_t at_once(int64_t) const override { fail(ErrorKind::kInternal, "generate: drafts are recorded"); }

 private:
  py::object object_;
  int64_t prompts_, vocab_;
};

EarlyStop early_stop_of(const std::string& name) {
  static constexpr Named<EarlyStop> kKnown[] = {
      {"heuristic", EarlyStop::kHeuristic}, {"full", EarlyStop::kFull}, {"never", EarlyStop::kNever}};
  return choose("early_stopping", name, kKnown);
}

Generation generation_of(const Value& v, int64_t vocab, const Array<int32_t>& prompts,
                         const std::optional<Array<int32_t>>& sources, const std::optional<py::tuple>& texts) {
  Generation g;
  const py::ssize_t batch = prompts.shape(0);
  for (py::ssize_t b = 0; b < batch; ++b) {
    const auto row = [b](const Array<int32_t>& a) {
      return Ids(a.data() + b * a.shape(1), a.data() + (b + 1) * a.shape(1));
    };
    g.prompts.push_back(row(prompts));
    g.sources.push_back(sources ? row(*sources) : Ids());
  }
  for (const Value& shown : v.at("shown").array("shown")) g.shown.push_back(shown.integer("shown"));
  for (const Value& seed : v.at("random").array("random")) {
    const auto& pair = seed.array("random");
    g.random.push_back(
        {.seed = uint64_t(pair.at(0).integer("seed")), .prompt = uint32_t(pair.at(1).integer("prompt"))});
  }
  if (g.shown.size() != size_t(batch) || g.random.size() != size_t(batch) || (sources && sources->shape(0) != batch)) {
    fail(ErrorKind::kInternal, "generate: settings for another number of prompts than ", batch);
  }
  for (int64_t shown : g.shown) {
    if (shown < 0) fail(ErrorKind::kInternal, "generate: no column ", shown);
  }
  g.processors = processors_from(v.at("processors"), vocab);
  g.sample = v.b("sample");
  g.beams = v.i_in("beams", 1, 1 << 20);
  g.results = v.i_in("results", 1, g.beams > 1 ? g.beams : 1 << 20);
  g.length_penalty = v.d("length_penalty");
  g.early_stop = early_stop_of(v.s("early_stop"));
  if (v.has("max_length")) g.max_length = v.i("max_length");
  g.beam_length = v.i("beam_length");
  if (v.has("max_seconds")) g.max_seconds = v.d("max_seconds");
  g.eos = ids_of(v.at("eos"));
  g.stops_at_eos = v.b("stops_at_eos");
  if (v.has("pad")) g.pad = int32_t(v.i("pad"));
  g.fill = int32_t(v.i("fill"));
  if (texts) g.stop_strings = stop_strings_from(v, *texts);
  g.keep_scores = v.b("keep_scores");
  g.keep_logits = v.b("keep_logits");
  g.keep_rows = v.b("keep_rows");
  return g;
}

Drafts drafts_of(const Value& v, const Model* model, const Generation& generation, int64_t vocab) {
  if (generation.prompts.size() != 1 || generation.beams != 1 || generation.results != 1 || generation.sample) {
    fail(ErrorKind::kValue, "generate: drafts need one prompt and greedy search");
  }
  if (model && model->heads()[logits_head(*model)].width != vocab)
    fail(ErrorKind::kValue, "generate: the model that drafts has another vocabulary");
  return {.tokens = v.i_in("tokens", 1, 1 << 20),
          .adapts = v.b("adapts"),
          .ngram = v.i_in("ngram", 1, 1 << 20),
          .model = model};
}

py::dict run(const Model& model, py::dict settings, const Array<int32_t>& prompts,
             const std::optional<Array<int32_t>>& sources, Cache* cache, const MaybeArray<int32_t>& ids,
             const MaybeArray<float>& embeds, const MaybeArray<uint8_t>& mask, const MaybeArray<int32_t>& positions,
             const MaybeArray<uint8_t>& later_mask, const MaybeArray<float>& states,
             const MaybeArray<uint8_t>& encoder_mask, const std::optional<py::tuple>& texts,
             const MaybeFunction& process, const MaybeFunction& stop, const MaybeFunction& put, py::object called,
             const Model* draft) {
  const int64_t vocab = model.heads()[logits_head(model)].width;
  if (prompts.ndim() != 2 || (sources && sources->ndim() != 2)) {
    fail(ErrorKind::kInternal, "generate: prompts and sources have two dimensions");
  }
  const Value values = to_value(settings);
  Generation generation = generation_of(values, vocab, prompts, sources, texts);
  if (values.has("drafts")) generation.drafts = drafts_of(values.at("drafts"), draft, generation, vocab);
  const Hooks hooks = hooks_of(process, stop, put, vocab);
  std::unique_ptr<NextToken> next;
  std::optional<Busy> busy;   // a model that Python calls takes the cache itself
  if (!called.is_none()) {
    next = std::make_unique<CalledNextToken>(called, prompts.shape(0), vocab);
  } else {
    busy.emplace(cache);
    if (!cache || cache->model != model.id()) fail(ErrorKind::kValue, "generate: expected a cache of this model");
    if (!ids && !embeds) fail(ErrorKind::kInternal, "generate: neither ids nor embeddings");
    if (model.spec().encoder && !states) fail(ErrorKind::kValue, "generate: expected the encoder's states");
    const py::ssize_t batch = prompts.shape(0), length = ids ? ids->shape(1) : embeds->shape(1);
    if (batch < 1 || length < 1)
      fail(ErrorKind::kValue, "generate: ", batch, " prompts of ", length, " tokens; expected at least one of both");
    const py::ssize_t columns = py::ssize_t(cache->columns) + length,
                      width = py::ssize_t(model.spec().decoder->embed_width());
    const bool pairs = mask && mask->ndim() == 3;
    const uint8_t* shown = pairs ? data_of("attention_mask", mask, {batch, length, columns})
                                 : data_of("attention_mask", mask, {batch, columns});
    Prompt prompt{.input = {.batch = batch,
                            .length = length,
                            .ids = data_of("input_ids", ids, {batch, length}),
                            .embeds = data_of("inputs_embeds", embeds, {batch, length, width}),
                            .mask = pairs ? nullptr : shown,
                            .pair_mask = pairs ? shown : nullptr,
                            .position_ids = data_of("position_ids", positions, {batch, length})},
                  .later_mask = data_of("attention_mask", later_mask, {batch, columns}),
                  .encoder = {}};
    if (states) {
      const py::ssize_t tokens = states->ndim() == 3 ? states->shape(1) : 0;
      const auto encoder_width = py::ssize_t(model.spec().encoder ? model.spec().encoder->width : 0);
      prompt.encoder = {.batch = batch,
                        .length = tokens,
                        .embeds = data_of("encoder_outputs", states, {batch, tokens, encoder_width}),
                        .mask = data_of("attention_mask", encoder_mask, {batch, tokens})};
    }
    next = std::make_unique<EngineNextToken>(model, *cache, prompt);
  }
  Generated made;
  {
    const ReleaseGil released;
    made = generate(generation, hooks, *next, vocab);
  }
  py::dict result;
  result["sequences"] = rectangle(made.sequences).attr("astype")("int64");
  result["scores"] = matrices(made.scores, vocab);
  result["logits"] = matrices(made.logits, vocab);
  result["sequences_scores"] = Array<float>(py::ssize_t(made.sequence_scores.size()), made.sequence_scores.data());
  result["drafted"] = made.drafted;
  result["accepted"] = made.accepted;
  result["beam_indices"] = rectangle(made.beam_indices);
  return result;
}

// Scores [rows, vocab] after a list of processors, for rows of ids with the same prompt.
Array<float> processed(py::list processors, const std::vector<Ids>& ids, const std::vector<Ids>& sources,
                       const Array<float>& scores, int64_t prompt, int64_t shown) {
  const py::ssize_t rows = py::ssize_t(ids.size()), vocab = scores.ndim() == 2 ? scores.shape(1) : 0;
  if (scores.ndim() != 2 || scores.shape(0) != rows || sources.size() != ids.size()) {
    fail(ErrorKind::kValue, "process: expected scores [rows, vocabulary] and as many rows of ids and sources");
  }
  if (prompt < 0 || shown < 0) fail(ErrorKind::kValue, "process: prompt and shown are below 0; expected counts");
  const auto list = processors_from(to_value(processors), vocab);
  Array<float> out(std::vector<py::ssize_t>{rows, vocab});
  std::copy_n(scores.data(), size_t(scores.size()), out.mutable_data());
  float* changed = out.mutable_data();
  const ReleaseGil released;
  for (py::ssize_t r = 0; r < rows; ++r) {
    const Row row{.ids = ids[size_t(r)], .prompt = prompt, .shown = shown, .source = sources[size_t(r)]};
    for (const Processor& p : list) apply(p, row, {changed + r * vocab, size_t(vocab)});
  }
  return out;
}

}  // namespace

void bind_generate(py::module_& m) {
  m.def("generate", &run, py::arg("model"), py::arg("settings"), py::arg("prompts"), py::arg("sources"),
        py::arg("cache"), py::arg("ids"), py::arg("embeds"), py::arg("mask"), py::arg("positions"),
        py::arg("later_mask"), py::arg("states"), py::arg("encoder_mask"), py::arg("texts"), py::arg("process"),
        py::arg("stop"), py::arg("put"), py::arg("called"), py::arg("draft"));
  m.def("process", &processed, py::arg("processors"), py::arg("ids"), py::arg("sources"), py::arg("scores"),
        py::arg("prompt"), py::arg("shown"));
}
