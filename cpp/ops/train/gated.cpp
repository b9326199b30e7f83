#include "ops/train/gated.h"

#include "kernels/train.h"
#include "ops/dispatch.h"
#include "ops/train/dropout.h"
#include "ops/train/rows.h"

namespace fastplm::ops {

void gated(TensorView x, TensorView up, Act act, TensorView seed, double p, TensorView y) {
  const Check check{"gated"};
  check.rank("x", x, 2);
  check.optional("up", up, x.dtype, x.shape);
  check.matches("y", y, x.dtype, x.shape);
  const Dropout dropout = dropout_of(check, seed, p);
  const int64_t dim = x.shape[1];
  const auto args = [&]<class T>(T) -> GatedArgs<T> {
    return {.x = x.as<T>(), .up = up.as<T>(), .dropout = dropout, .dim = dim, .act = act, .y = y.as<T>()};
  };
  if (on_cuda(x)) {
    return with_cuda("gated", x, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.gated(on, args(T{}), x.shape[0], seed.as<int64_t>());
    });
  }
  with_float_type("gated", x.dtype, [&]<class T>() {
    parallel_rows(x.shape[0], dim * 16, [&](Range rows) { train_kernels<T>().gated(args(T{}), rows); });
  });
}

void gated_grad(TensorView dy, TensorView x, TensorView up, Act act, TensorView seed, double p, TensorView dx,
                TensorView dup) {
  const Check check{"gated_grad"};
  check.rank("dy", dy, 2);
  check.matches("x", x, dy.dtype, dy.shape);
  check.optional("up", up, dy.dtype, dy.shape);
  check.matches("dx", dx, dy.dtype, dy.shape);
  if (up) check.matches("dup", dup, dy.dtype, dy.shape);
  const Dropout dropout = dropout_of(check, seed, p);
  const int64_t dim = dy.shape[1];
  const auto args = [&]<class T>(T) -> GatedGradArgs<T> {
    return {.dy = dy.as<T>(),
            .x = x.as<T>(),
            .up = up.as<T>(),
            .dropout = dropout,
            .dim = dim,
            .act = act,
            .dx = dx.as<T>(),
            .dup = dup.as<T>()};
  };
  if (on_cuda(dy)) {
    return with_cuda("gated_grad", dy, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.gated_grad(on, args(T{}), dy.shape[0], seed.as<int64_t>());
    });
  }
  with_float_type("gated_grad", dy.dtype, [&]<class T>() {
    parallel_rows(dy.shape[0], dim * 16, [&](Range rows) { train_kernels<T>().gated_grad(args(T{}), rows); });
  });
}

int64_t column_sums_workspace(int64_t rows, int64_t dim) {
  return RowBlocks{rows}.count() * dim * int64_t(sizeof(float));
}

void column_sums(TensorView x, TensorView sums, TensorView workspace) {
  const Check check{"column_sums"};
  check.rank("x", x, 2);
  const int64_t rows = x.shape[0], dim = x.shape[1];
  check.matches("sums", sums, DType::kF32, {dim});
  check.at_least("workspace", workspace, column_sums_workspace(rows, dim));
  const RowBlocks blocks{rows};
  float* const parts = workspace.as<float>();
  if (on_cuda(x)) {
    return with_cuda("column_sums", x, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.column_sums(on, x.as<T>(), dim, blocks.cut(), sums.as<float>(), parts);
    });
  }
  with_float_type("column_sums", x.dtype, [&]<class T>() {
    blocks.each([&](int64_t block, Range range) {
      train_kernels<T>().column_sums(x.as<T>(), dim, range, parts + block * dim);
    });
  });
  blocks.add(parts, dim, dim, sums.as<float>());
}

}  // namespace fastplm::ops
