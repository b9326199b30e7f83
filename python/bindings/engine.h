// What the parts of the _engine module share.
#pragma once
#include <pybind11/pybind11.h>
#include <unistd.h>

#include "core/value.h"

namespace py = pybind11;

void bind_runtime(py::module_& m);     // engine_runtime.cpp: version, ISA, threads
void bind_tokenizer(py::module_& m);   // engine_tokenizer.cpp
void bind_training(py::module_& m);    // engine_training.cpp
void bind_model(py::module_& m);       // engine_model.cpp

// A tree of None, bool, int, float, str, list, tuple and dict with str keys, as plain settings.
// Integers beyond 64 bits become floats: no setting is that large, and range checks then refuse it.
fastplm::Value to_value(py::handle object);

// Releases the GIL for a scope. A thread that finishes native work while the interpreter shuts down must
// not touch Python any more: it sleeps until the process ends, as Python 3.14's own threads do.
class ReleaseGil {
 public:
  ReleaseGil() : state_(PyEval_SaveThread()) {}
  ~ReleaseGil() {
#if PY_VERSION_HEX >= 0x030d0000
    while (Py_IsFinalizing()) pause();
#else
    while (_Py_IsFinalizing()) pause();
#endif
    PyEval_RestoreThread(state_);
  }
  ReleaseGil(const ReleaseGil&) = delete;
  ReleaseGil& operator=(const ReleaseGil&) = delete;

 private:
  PyThreadState* state_;
};
