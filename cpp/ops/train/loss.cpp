#include "ops/train/loss.h"

#include "kernels/train.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {
namespace {

void check_rows(const Check& check, TensorView logits, TensorView labels, const Loss& o, TensorView lse) {
  check.rank("logits", logits, 2);
  const int64_t rows = logits.shape[0], vocab = logits.shape[1];
  check.matches("labels", labels, DType::kI64, {rows});
  check.matches("lse", lse, DType::kF32, {rows});
  if (!(o.smoothing >= 0 && o.smoothing <= 1)) {
    fail(ErrorKind::kValue, check.op, ": label_smoothing is ", o.smoothing, "; expected 0 to 1");
  }
  if (on_cuda(labels)) return;   // the kernel makes such a row's loss NaN
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t label = labels.as<int64_t>()[r];
    if (label == o.ignored || (label >= 0 && label < vocab)) continue;
    fail(ErrorKind::kValue, check.op, ": labels holds ", label, " at row ", r, "; expected 0 to ", vocab - 1, ", or ",
         o.ignored, " to ignore it");
  }
}

}  // namespace

void cross_entropy(TensorView logits, TensorView labels, const Loss& o, TensorView losses, TensorView lse) {
  const Check check{"cross_entropy"};
  check_rows(check, logits, labels, o, lse);
  check.matches("losses", losses, DType::kF32, lse.shape);
  const int64_t vocab = logits.shape[1];
  const auto args = [&]<class T>(T) -> LossArgs<T> {
    return {.logits = logits.as<T>(),
            .vocab = vocab,
            .labels = labels.as<int64_t>(),
            .ignored = o.ignored,
            .smoothing = float(o.smoothing),
            .z = float(o.z),
            .losses = losses.as<float>(),
            .lse = lse.as<float>()};
  };
  if (on_cuda(logits)) {
    return with_cuda("cross_entropy", logits, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.cross_entropy(on, args(T{}), logits.shape[0]);
    });
  }
  with_float_type("cross_entropy", logits.dtype, [&]<class T>() {
    parallel_rows(logits.shape[0], vocab * 16, [&](Range rows) { train_kernels<T>().cross_entropy(args(T{}), rows); });
  });
}

void cross_entropy_grad(TensorView logits, TensorView labels, const Loss& o, TensorView lse, TensorView dlosses,
                        TensorView grad) {
  const Check check{"cross_entropy_grad"};
  check_rows(check, logits, labels, o, lse);
  check.matches("dlosses", dlosses, DType::kF32, lse.shape);
  check.matches("grad", grad, logits.dtype, logits.shape);
  const int64_t vocab = logits.shape[1];
  const auto args = [&]<class T>(T) -> LossGradArgs<T> {
    return {.logits = logits.as<T>(),
            .vocab = vocab,
            .labels = labels.as<int64_t>(),
            .ignored = o.ignored,
            .smoothing = float(o.smoothing),
            .z = float(o.z),
            .lse = lse.as<float>(),
            .dlosses = dlosses.as<float>(),
            .grad = grad.as<T>()};
  };
  if (on_cuda(logits)) {
    return with_cuda("cross_entropy_grad", logits, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.cross_entropy_grad(on, args(T{}), logits.shape[0]);
    });
  }
  with_float_type("cross_entropy_grad", logits.dtype, [&]<class T>() {
    parallel_rows(logits.shape[0], vocab * 16,
                  [&](Range rows) { train_kernels<T>().cross_entropy_grad(args(T{}), rows); });
  });
}

}  // namespace fastplm::ops
