#include "ops/rope.h"

#include <cmath>

#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

void rope_table(std::span<const float> frequencies, double factor, int64_t first, TensorView table) {
  const int64_t half = int64_t(frequencies.size()), positions = table.shape[0];
  Check{"rope_table"}.matches("table", table, DType::kF32, {positions, 2 * half});
  for (int64_t p = 0; p < positions; ++p) {
    float* row = table.as<float>() + p * 2 * half;
    for (int64_t i = 0; i < half; ++i) {
      const float angle = float(first + p) * frequencies[size_t(i)];
      row[i] = std::cos(angle) * float(factor);
      row[half + i] = std::sin(angle) * float(factor);
    }
  }
}

void rope(TensorView x, int64_t heads, int64_t head_dim, TensorView table, TensorView position_ids) {
  const Check check{"rope"};
  check.rank("x", x, 2);
  check.rank("table", table, 2);
  check.dtype("table", table, DType::kF32);
  const int64_t rows = x.shape[0], dims = table.shape[1];
  if (on_cuda(x))
    check.matches("position_ids", position_ids, DType::kI32, {rows});   // the kernel looks at them
  else
    check.ids("position_ids", position_ids, rows, table.shape[0]);
  if (dims % 2 || dims > head_dim || heads * head_dim > x.shape[1]) {
    fail(ErrorKind::kValue, "rope: ", heads, " heads of ", head_dim, " with ", dims,
         " rotated values do not fit rows of ", x.shape[1], "; expected an even number of values and heads that fit");
  }
  const auto args = [&]<class T>(T) -> RopeArgs<T> {
    return {.x = x.as<T>(),
            .ldx = x.shape[1],
            .heads = heads,
            .head_dim = head_dim,
            .dims = dims,
            .cos_sin = table.as<float>(),
            .position_ids = position_ids.as<int32_t>()};
  };
  if (on_cuda(x)) {
    return with_cuda("rope", x, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.rope(on, args(T{}), rows, table.shape[0]);
    });
  }
  with_float_type("rope", x.dtype, [&]<class T>() {
    parallel_rows(rows, heads * head_dim * 16, [&](Range range) { kernels().of<T>().rope(args(T{}), range); });
  });
}

}  // namespace fastplm::ops
