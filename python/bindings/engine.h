// What the parts of the _engine module share.
#pragma once
#include <pybind11/pybind11.h>

#include "core/value.h"
#include "gil.h"

namespace py = pybind11;

void bind_runtime(py::module_& m);     // engine_runtime.cpp: version, ISA, threads
void bind_tokenizer(py::module_& m);   // engine_tokenizer.cpp
void bind_training(py::module_& m);    // engine_training.cpp
void bind_family(py::module_& m);      // engine_family.cpp
void bind_model(py::module_& m);       // engine_model.cpp
void bind_describe(py::module_& m);    // engine_describe.cpp
void bind_generate(py::module_& m);    // engine_generate.cpp
void bind_requests(py::module_& m);    // engine_requests.cpp

// A tree of None, bool, int, float, str, list, tuple and dict with str keys, as plain settings.
// Integers beyond 64 bits become floats: no setting is that large, and range checks then refuse it.
fastplm::Value to_value(py::handle object);
