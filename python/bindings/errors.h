// Failures of the library as Python's exceptions, the same for both modules.
#pragma once
#include <Python.h>

#include <exception>

#include "core/error.h"

// Sets Python's error. The GIL is held.
inline void set_python_error(const fastplm::Error& error) {
  using fastplm::ErrorKind;
  const auto set_ours = [&](const char* name) {
    PyObject* const module = PyImport_ImportModule("fastplm.errors");
    PyObject* const type = module ? PyObject_GetAttrString(module, name) : nullptr;
    if (type) PyErr_SetString(type, error.what());   // if not, the import's error is set
    Py_XDECREF(type);
    Py_XDECREF(module);
  };
  switch (error.kind) {
    case ErrorKind::kValue: return PyErr_SetString(PyExc_ValueError, error.what());
    case ErrorKind::kType: return PyErr_SetString(PyExc_TypeError, error.what());
    case ErrorKind::kFile: return set_ours("CheckpointError");
    case ErrorKind::kUnsupported: return set_ours("UnsupportedError");
    case ErrorKind::kInterrupted:   // a signal handler's exception is set already
      if (!PyErr_Occurred()) PyErr_SetNone(PyExc_KeyboardInterrupt);
      return;
    case ErrorKind::kInternal: return PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

// A translator as pybind11 and nanobind want it: lets through what is not the library's.
inline void translate(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const fastplm::Error& error) {
    set_python_error(error);
  }
}
