// Packed sequences: where each begins. Made and checked once, then handed around.
#pragma once
#include <algorithm>

#include "ops/check.h"

namespace fastplm {

struct Sequences {
  const int32_t* start = nullptr;   // [count + 1]: from the first token's row, not decreasing
  int64_t count = 0, longest = 0;

  int64_t length(int64_t s) const { return start[s + 1] - start[s]; }
  int64_t tokens() const { return count ? start[count] - start[0] : 0; }
  Sequences part(int64_t first, int64_t last) const {   // sequences [first, last), at the rows where they are
    Sequences some{start + first, last - first};
    for (int64_t s = 0; s < some.count; ++s) some.longest = std::max(some.longest, some.length(s));
    return some;
  }
};

// cu_seqlens [sequences + 1] i32 from 0 to `tokens`, not decreasing. Throws kValue, kType.
inline Sequences sequences_of(const char* op, const TensorView& cu_seqlens, int64_t tokens) {
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
  return Sequences{start}.part(0, count - 1);
}

}  // namespace fastplm
