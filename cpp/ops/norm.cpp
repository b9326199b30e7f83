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
  const auto args = [&]<class T>(T) -> NormArgs<T> {
    return {.x = x.as<float>(),
            .weight = weight.as<float>(),
            .bias = bias.as<float>(),
            .dim = dim,
            .eps = float(eps),
            .kind = kind,
            .y_f32 = y_copy.as<float>(),
            .y = y.as<T>()};
  };
  if (on_cuda(y)) {
    return with_cuda("norm", y, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.norm(on, args(T{}), x.shape.rows());
    });
  }
  with_float_type("norm", y.dtype, [&]<class T>() {
    parallel_rows(x.shape.rows(), dim * 16, [&](Range rows) { kernels().of<T>().norm(args(T{}), rows); });
  });
}

void head_norm(TensorView x, int64_t heads, TensorView weight, double eps) {
  const Check check{"head_norm"};
  check.rank("x", x, 2);
  check.rank("weight", weight, 1);
  check.dtype("weight", weight, DType::kF32);
  check.positive("eps", eps);
  const int64_t dim = weight.shape[0];
  if (heads < 0 || heads * dim > x.shape[1]) {
    fail(ErrorKind::kValue, "head_norm: ", heads, " heads of ", dim, " do not fit rows of ", x.shape[1]);
  }
  const auto args = [&]<class T>(T) -> HeadNormArgs<T> {
    return {
        .x = x.as<T>(), .ldx = x.shape[1], .heads = heads, .dim = dim, .weight = weight.as<float>(), .eps = float(eps)};
  };
  if (on_cuda(x)) {
    return with_cuda("head_norm", x, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.head_norm(on, args(T{}), x.shape[0]);
    });
  }
  with_float_type("head_norm", x.dtype, [&]<class T>() {
    parallel_rows(x.shape[0], heads * dim * 16, [&](Range rows) { kernels().of<T>().head_norm(args(T{}), rows); });
  });
}

}  // namespace fastplm::ops
