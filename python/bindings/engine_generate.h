// What the parts of the _engine module that generate share.
#pragma once
#include <pybind11/numpy.h>

#include "core/error.h"
#include "engine.h"
#include "model/generate/processors.h"
#include "model/generate/stop_strings.h"

fastplm::Ids ids_of(const fastplm::Value& list);
// settings: "stop_strings", the strings. texts: the bytes of all tokens' texts, and where each begins.
fastplm::StopStrings stop_strings_from(const fastplm::Value& settings, const py::tuple& texts);

// The words that a mask function gave.
inline std::vector<uint32_t> words_of(const py::object& result) {
  const auto array = py::array_t<uint32_t, py::array::c_style>::ensure(result);
  if (!array) fastplm::fail(fastplm::ErrorKind::kType, "generate: a mask gave no array of words");
  return {array.data(), array.data() + array.size()};
}
