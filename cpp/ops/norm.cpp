#include "ops/norm.h"

#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

void norm(TensorView x, NormKind kind, TensorView weight, TensorView bias, double eps, TensorView y,
          TensorView y_copy) {
  const Check check{"norm"};
  const int64_t dim = x.shape.last();
  check.dtype("x", x, DType::kF32);
  check.optional("weight", weight, DType::kF32, {dim});
  check.optional("bias", bias, DType::kF32, {dim});
  check.shape("y", y, x.shape);
  check.optional("y_copy", y_copy, DType::kF32, x.shape);
  check.positive("eps", eps);
  with_float_type("norm", y.dtype, [&]<class T>() {
    const NormArgs<T> args{.x = x.as<float>(),
                           .weight = weight.as<float>(),
                           .bias = bias.as<float>(),
                           .dim = dim,
                           .eps = float(eps),
                           .kind = kind,
                           .y_f32 = y_copy.as<float>(),
                           .y = y.as<T>()};
    parallel_rows(x.shape.rows(), dim * 16, [&](Range rows) { kernels().of<T>().norm(args, rows); });
  });
}

}  // namespace fastplm::ops
