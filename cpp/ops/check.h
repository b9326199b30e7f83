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
  // ids [count] i32, all in [0, limit)
  void ids(const char* name, const TensorView& t, int64_t count, int64_t limit) const {
    matches(name, t, DType::kI32, {count});
    for (int64_t i = 0; i < count; ++i) {
      const int32_t id = t.as<int32_t>()[i];
      if (id < 0 || id >= limit) {
        fail(ErrorKind::kValue, op, ": ", name, " holds ", id, " at token ", i, "; expected 0 to ", limit - 1);
      }
    }
  }
  void at_least(const char* name, const TensorView& t, int64_t bytes) const {   // memory to work in
    if (t.dtype == DType::kU8 && t.shape.count() >= bytes) return;
    fail(ErrorKind::kValue, op, ": ", name, " is ", t.dtype, " ", t.shape, "; expected u8 [", bytes, " or more]");
  }
  void positive(const char* name, double v) const {
    if (v > 0) return;
    fail(ErrorKind::kValue, op, ": ", name, " is ", v, "; expected a value > 0");
  }
};

}  // namespace fastplm
