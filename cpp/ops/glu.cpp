#include "ops/glu.h"

#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

void glu(TensorView x, Act act, TensorView y) {
  const Check check{"glu"};
  check.rank("y", y, 2);
  const int64_t rows = y.shape[0], dim = y.shape[1];
  check.matches("x", x, y.dtype, {rows, 2 * dim});
  const auto args = [&]<class T>(T) -> GluArgs<T> { return {.x = x.as<T>(), .dim = dim, .act = act, .y = y.as<T>()}; };
  if (on_cuda(x)) {
    return with_cuda("glu", x,
                     [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) { return cuda.glu(on, args(T{}), rows); });
  }
  with_float_type("glu", x.dtype, [&]<class T>() {
    parallel_rows(rows, dim * 16, [&](Range range) { kernels().of<T>().glu(args(T{}), range); });
  });
}

}  // namespace fastplm::ops
