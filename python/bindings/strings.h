// Python's strings as UTF-8.
#pragma once
#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

#include "core/error.h"

inline std::string type_name(pybind11::handle o) { return Py_TYPE(o.ptr())->tp_name; }

// The UTF-8 of a str, which the str keeps. `where` names it in errors.
template <class Where>
std::string_view utf8_of(pybind11::handle text, Where&& where) {
  if (!PyUnicode_Check(text.ptr()))
    fastplm::fail(fastplm::ErrorKind::kType, where(), " is a ", type_name(text), "; expected str");
  Py_ssize_t size = 0;
  if (const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size)) return {bytes, size_t(size)};
  pybind11::error_already_set error;
  if (!error.matches(PyExc_UnicodeEncodeError)) throw error;
  fastplm::fail(fastplm::ErrorKind::kValue, where(), " has a lone surrogate at character ",
                error.value().attr("start").cast<int64_t>(),
                ", which no UTF-8 text can hold; expected none (str.encode(..., 'replace') removes them)");
}

inline pybind11::str str_of(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
