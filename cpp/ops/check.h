// Argument checks for ops. Every message reads: <op>: <what we got>; expected <what is needed>.
#pragma once
#include "core/error.h"
#include "core/tensor.h"

namespace fastplm {

struct Check {
  const char* op;

  void shape(const char* name, const TensorView& t, const Shape& want) const {
    if (t.shape == want) return;
    fail(ErrorKind::kValue, op, ": ", name, " has shape ", t.shape, "; expected ", want);
  }
  void rank(const char* name, const TensorView& t, int want) const {
    if (t.shape.rank == want) return;
    fail(ErrorKind::kValue, op, ": ", name, " has shape ", t.shape, "; expected ", want, " dimensions");
  }
  void dtype(const char* name, const TensorView& t, DType want) const {
    if (t.dtype == want) return;
    fail(ErrorKind::kType, op, ": ", name, " is ", t.dtype, "; expected ", want);
  }
  void matches(const char* name, const TensorView& t, DType dtype_, const Shape& shape_) const {
    dtype(name, t, dtype_);
    shape(name, t, shape_);
  }
  void optional(const char* name, const TensorView& t, DType dtype_, const Shape& shape_) const {
    if (t) matches(name, t, dtype_, shape_);
  }
  void on_cpu(const char* name, const TensorView& t) const {
    if (t.device == Device::kCpu) return;
    fail(ErrorKind::kUnsupported, op, ": ", name, " is on a CUDA device; this op runs on the CPU only");
  }
  void positive(const char* name, double v) const {
    if (v > 0) return;
    fail(ErrorKind::kValue, op, ": ", name, " is ", v, "; expected a value > 0");
  }
};

}  // namespace fastplm
