#include "ops/train/add_norm.h"

#include "kernels/train.h"
#include "ops/dispatch.h"
#include "ops/train/dropout.h"
#include "ops/train/rows.h"

namespace fastplm::ops {

void add_norm(TensorView x, TensorView residual, TensorView weight, TensorView bias, const AddNorm& options,
              TensorView sum, TensorView y, TensorView stats) {
  const Check check{"add_norm"};
  check.rank("x", x, 2);
  const int64_t rows = x.shape[0], dim = x.shape[1];
  check.optional("residual", residual, x.dtype, x.shape);
  check.optional("weight", weight, DType::kF32, {dim});
  check.optional("bias", bias, DType::kF32, {dim});
  check.positive("eps", options.eps);
  check.optional("sum", sum, x.dtype, x.shape);
  check.matches("y", y, x.dtype, x.shape);
  check.matches("stats", stats, DType::kF32, {rows, 2});
  const Dropout dropout = dropout_of(check, options.seed, options.p);
  if (!sum && x && (residual || dropout)) fail(ErrorKind::kValue, "add_norm: no sum; expected one to write");
  const auto args = [&]<class T>(T) -> AddNormArgs<T> {
    return {.x = x.as<T>(),
            .residual = residual.as<T>(),
            .weight = weight.as<float>(),
            .bias = bias.as<float>(),
            .dropout = dropout,
            .dim = dim,
            .eps = float(options.eps),
            .kind = options.kind,
            .sum = sum.as<T>(),
            .y = y.as<T>(),
            .stats = stats.as<float>()};
  };
  if (on_cuda(x)) {
    return with_cuda("add_norm", x, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.add_norm(on, args(T{}), rows, options.seed.as<int64_t>());
    });
  }
  with_float_type("add_norm", x.dtype, [&]<class T>() {
    parallel_rows(rows, dim * 16, [&](Range range) { train_kernels<T>().add_norm(args(T{}), range); });
  });
}

int64_t add_norm_workspace(int64_t rows, int64_t dim) {
  return RowBlocks{rows}.count() * 2 * dim * int64_t(sizeof(float));
}

void add_norm_grad(TensorView dy, TensorView dsum, TensorView sum, TensorView stats, TensorView weight,
                   const AddNorm& options, TensorView dx, TensorView dresidual, TensorView dweight, TensorView dbias,
                   TensorView workspace) {
  const Check check{"add_norm_grad"};
  check.rank("dy", dy, 2);
  const int64_t rows = dy.shape[0], dim = dy.shape[1];
  check.optional("dsum", dsum, dy.dtype, dy.shape);
  check.matches("sum", sum, dy.dtype, dy.shape);
  check.matches("stats", stats, DType::kF32, {rows, 2});
  check.optional("weight", weight, DType::kF32, {dim});
  check.optional("dx", dx, dy.dtype, dy.shape);
  check.matches("dresidual", dresidual, dy.dtype, dy.shape);
  check.optional("dweight", dweight, DType::kF32, {dim});
  check.optional("dbias", dbias, DType::kF32, {dim});
  check.at_least("workspace", workspace, add_norm_workspace(rows, dim));
  const Dropout dropout = dropout_of(check, options.seed, options.p);
  const RowBlocks blocks{rows};
  float* const parts = workspace.as<float>();
  const auto args = [&]<class T>(T) -> AddNormGradArgs<T> {
    return {.dy = dy.as<T>(),
            .dsum = dsum.as<T>(),
            .sum = sum.as<T>(),
            .stats = stats.as<float>(),
            .weight = weight.as<float>(),
            .dropout = dropout,
            .dim = dim,
            .kind = options.kind,
            .dx = dx.as<T>(),
            .dresidual = dresidual.as<T>()};
  };
  if (on_cuda(dy)) {
    return with_cuda("add_norm_grad", dy, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.add_norm_grad(on, args(T{}), blocks.cut(), options.seed.as<int64_t>(), dweight.as<float>(),
                                dbias.as<float>(), parts);
    });
  }
  with_float_type("add_norm_grad", dy.dtype, [&]<class T>() {
    blocks.each([&](int64_t block, Range range) {
      float* const mine = parts + block * 2 * dim;
      train_kernels<T>().add_norm_grad(args(T{}), range, dweight ? mine : nullptr, dbias ? mine + dim : nullptr);
    });
    if (dweight) blocks.add(parts, 2 * dim, dim, dweight.as<float>());
    if (dbias) blocks.add(parts + dim, 2 * dim, dim, dbias.as<float>());
  });
}

}  // namespace fastplm::ops
