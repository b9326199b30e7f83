// Dropout: each element is kept with probability 1 - p and then divided by that, else it becomes 0.
//
// What is kept follows from two 64-bit numbers, the element's row and its column, by Philox (kernels/random.inl.h): the
// backward pass asks again instead of reading a mask, and neither threads nor instruction sets matter. p is rounded to
// a multiple of 2^-16, and kept elements are divided by 1 minus that, so the expectation is exact.
#pragma once
#include <cmath>

#include "ops/check.h"
#include "ops/cuda.h"

namespace fastplm::ops {

// seed: [2] i64, or empty: nothing is dropped. On CUDA the kernels read it. Throws kValue unless 0 <= p < 1.
inline Dropout dropout_of(const Check& check, TensorView seed, double p) {
  if (!(p >= 0 && p < 1)) fail(ErrorKind::kValue, check.op, ": p is ", p, "; expected 0 <= p < 1");
  if (!seed) return {};
  check.matches("seed", seed, DType::kI64, {2});
  const double threshold = std::min(65535.0, std::round(p * 65536));
  if (on_cuda(seed)) return {.threshold = float(threshold), .scale = float(65536 / (65536 - threshold))};
  const auto number = [&](int i) { return uint64_t(seed.as<int64_t>()[i]); };
  return {.key = {uint32_t(number(0)), uint32_t(number(0) >> 32)},
          .offset = {uint32_t(number(1)), uint32_t(number(1) >> 32)},
          .threshold = float(threshold),
          .scale = float(65536 / (65536 - threshold))};
}

}  // namespace fastplm::ops
