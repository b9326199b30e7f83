// RequestBatch: generation of many requests at once. python/fastplm/generation/generator.py drives it.
#include "model/generate/requests.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <map>
#include <mutex>

#include "core/error.h"
#include "engine_generate.h"

using namespace fastplm;

namespace {

using MaybeFunction = std::optional<py::function>;

// The batch, and the errors of requests that have failed until they are asked for.
class Requests {
 public:
  Requests(const Model& model, int64_t requests, int64_t tokens, int64_t chunk, bool share)
      : vocab_(model.heads()[logits_head(model)].width), batch_(model, {requests, tokens, chunk, share}) {}

  uint64_t submit(py::dict settings, const std::vector<int32_t>& prompt, const std::optional<py::tuple>& texts,
                  const MaybeFunction& process) {
    const Value v = to_value(settings);
    const auto& seed = v.at("random").array("random");
    Request request{
        .prompt = prompt,
        .max_new = v.i("max_new"),
        .processors = processors_from(v.at("processors"), vocab_),
        .sample = v.b("sample"),
        .random = {.seed = uint64_t(seed.at(0).integer("seed")), .prompt = uint32_t(seed.at(1).integer("prompt"))},
        .eos = ids_of(v.at("eos")),
        .stop_strings = {},
        .process = {},
        .mask = {}};
    if (texts) request.stop_strings = stop_strings_from(v, *texts);
    if (process) {
      const Held held = hold(*process);
      request.process = [held](int64_t number, std::span<const int32_t> ids, std::span<float> scores) {
        call(held, number, ids, scores);
      };
      request.mask = [held](int64_t number, std::span<const int32_t> ids) {
        const py::gil_scoped_acquire gil;
        return words_of((*held)(number, row_of(ids), py::none()));
      };
    }
    const ReleaseGil released;
    return batch_.submit(std::move(request));
  }

  void cancel(uint64_t request) { batch_.cancel(request); }

  py::list step() {
    std::vector<Progress> made;
    {
      const ReleaseGil released;
      made = batch_.step();
    }
    py::list out;
    for (Progress& p : made) {
      if (p.error) {
        const std::lock_guard lock(errors_lock_);
        errors_[p.request] = p.error;
      }
      out.append(py::make_tuple(p.request, std::move(p.tokens), name_of(p.finish), p.reused));
    }
    return out;
  }

  // Throws what the failed request met.
  void raise_error(uint64_t request) {
    std::exception_ptr error;
    {
      const std::lock_guard lock(errors_lock_);
      const auto found = errors_.find(request);
      if (found == errors_.end()) fail(ErrorKind::kInternal, "request ", request, " has no error");
      error = found->second;
      errors_.erase(found);
    }
    std::rethrow_exception(error);
  }

  void forget() { batch_.forget(); }

  py::dict usage() const {
    const RequestBatch::Usage u = batch_.usage();
    py::dict d;
    d["running"] = u.running;
    d["waiting"] = u.waiting;
    d["reserved_tokens"] = u.reserved;
    d["remembered_tokens"] = u.remembered;
    d["bytes"] = u.bytes;
    d["steps"] = u.steps;
    d["prompt_tokens"] = u.prompt_tokens;
    d["reused_tokens"] = u.reused_tokens;
    d["new_tokens"] = u.new_tokens;
    return d;
  }

 private:
  static const char* name_of(Finish finish) {
    switch (finish) {
      case Finish::kGoesOn: return nullptr;
      case Finish::kStop: return "stop";
      case Finish::kLength: return "length";
      case Finish::kCancelled: return "cancelled";
      case Finish::kFailed: return "failed";
    }
    return nullptr;
  }

  // The function lives as long as the request, which may end without the GIL.
  using Held = std::shared_ptr<py::function>;
  static Held hold(py::function function) {
    return Held(new py::function(std::move(function)), [](py::function* f) {
      const py::gil_scoped_acquire gil;
      delete f;
    });
  }

  static py::array_t<int64_t> row_of(std::span<const int32_t> ids) {
    py::array_t<int64_t> row(std::vector<py::ssize_t>{1, py::ssize_t(ids.size())});
    std::ranges::copy(ids, row.mutable_data());
    return row;
  }

  static void call(const Held& function, int64_t number, std::span<const int32_t> ids, std::span<float> scores) {
    const py::gil_scoped_acquire gil;
    py::array_t<float> copy(std::vector<py::ssize_t>{1, py::ssize_t(scores.size())});   // it may be kept
    std::ranges::copy(scores, copy.mutable_data());
    const auto made = py::array_t<float, py::array::c_style>::ensure((*function)(number, row_of(ids), copy));
    if (!made || size_t(made.size()) != scores.size())
      fail(ErrorKind::kValue, "request: a logits processor gave no array of ", scores.size(), " scores");
    std::copy_n(made.data(), scores.size(), scores.data());
  }

  int64_t vocab_;
  RequestBatch batch_;
  std::mutex errors_lock_;
  std::map<uint64_t, std::exception_ptr> errors_;
};

}  // namespace

void bind_requests(py::module_& m) {
  py::class_<Requests>(m, "Requests")
      .def(py::init<const Model&, int64_t, int64_t, int64_t, bool>(), py::arg("model"), py::arg("requests"),
           py::arg("tokens"), py::arg("chunk"), py::arg("share"), py::keep_alive<1, 2>())
      .def("submit", &Requests::submit, py::arg("settings"), py::arg("prompt"), py::arg("texts"), py::arg("process"))
      .def("cancel", &Requests::cancel, py::arg("request"))
      .def("step", &Requests::step)
      .def("raise_error", &Requests::raise_error, py::arg("request"))
      .def("forget", &Requests::forget)
      .def("usage", &Requests::usage);
}
