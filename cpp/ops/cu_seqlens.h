// Where packed sequences begin: [sequences + 1] i32 from 0 to the number of tokens, not decreasing.
#pragma once
#include "ops/check.h"

namespace fastplm {

// Returns the number of sequences. Throws kValue, kType.
inline int64_t check_cu_seqlens(const char* op, const TensorView& cu_seqlens, int64_t tokens) {
  const Check check{op};
  check.rank("cu_seqlens", cu_seqlens, 1);
  check.dtype("cu_seqlens", cu_seqlens, DType::kI32);
  const int64_t count = cu_seqlens.shape[0];
  const int32_t* start = cu_seqlens.as<int32_t>();
  if (count < 1 || start[0] != 0 || start[count - 1] != tokens) {
    fail(ErrorKind::kValue, op, ": cu_seqlens does not run from 0 to ", tokens,
         "; expected 0 first and the number of tokens last");
  }
  for (int64_t i = 1; i < count; ++i) {
    if (start[i] < start[i - 1]) {
      fail(ErrorKind::kValue, op, ": cu_seqlens falls from ", start[i - 1], " to ", start[i], " at ", i,
           "; expected no falling values");
    }
  }
  return count - 1;
}

}  // namespace fastplm
