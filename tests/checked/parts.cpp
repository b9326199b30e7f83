// The parts of _engine that have nothing to do with text, as far as the tokenizers need them.
#include "core/parallel.h"
#include "engine.h"

using namespace fastplm;

void bind_runtime(py::module_& m) {
  m.attr("__version__") = FASTPLM_VERSION;
  m.def("num_threads", &num_threads);
  m.def("set_num_threads", &set_num_threads, py::arg("n"));
  m.def("trim_memory", [] {});
}

void bind_family(py::module_&) {}
void bind_model(py::module_&) {}
void bind_describe(py::module_&) {}
void bind_generate(py::module_&) {}
void bind_requests(py::module_&) {}
