#include "ops/softmax.h"

#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/rows.h"

namespace fastplm::ops {

void softmax(TensorView x, TensorView y) {
  const Check check{"softmax"};
  check.dtype("x", x, DType::kF32);
  check.matches("y", y, DType::kF32, x.shape);
  const SoftmaxArgs args{.x = x.as<float>(), .dim = x.shape.last(), .y = y.as<float>()};
  parallel_rows(x.shape.rows(), args.dim * 32, [&](Range rows) { kernels().softmax(args, rows); });
}

}  // namespace fastplm::ops
