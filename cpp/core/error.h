// The only way fastplm reports a failure. Bindings map each kind to one Python exception.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

#include "core/export.h"

namespace fastplm {

// kValue: a wrong argument. kType: a wrong dtype. kFile: a damaged or contradictory file.
// kUnsupported: legal, but nothing here can run it. kInterrupted: the caller asked to stop.
enum class ErrorKind { kValue, kType, kFile, kUnsupported, kInterrupted, kInternal };

// Exported with its typeinfo: thrown in libfastplm.so, caught in the binding modules.
struct FASTPLM_EXPORT Error : std::runtime_error {
  Error(ErrorKind kind, const std::string& text) : std::runtime_error(text), kind(kind) {}
  ErrorKind kind;
};

// fail(kValue, "rms_norm: weight has shape ", a, "; expected ", b);
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw Error(kind, text.str());
}

}  // namespace fastplm
