#include "ops/train/rotary.h"

#include "kernels/train.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

void rotary(TensorView x, TensorView cosine, TensorView sine, const Rotary& options, TensorView y) {
  const Check check{"rope"};
  check.rank("x", x, 3);
  check.rank("cos", cosine, 2);
  const int64_t tokens = x.shape[0], heads = x.shape[1], head_dim = x.shape[2], pairs = cosine.shape[1];
  check.matches("cos", cosine, DType::kF32, {tokens, pairs});
  check.matches("sin", sine, DType::kF32, cosine.shape);
  check.matches("y", y, x.dtype, x.shape);
  if (2 * pairs > head_dim) {
    fail(ErrorKind::kValue, "rope: ", pairs, " angles for heads of ", head_dim, "; expected at most half as many");
  }
  with_float_type("rope", x.dtype, [&]<class T>() {
    const RotaryArgs<T> args{.x = x.as<T>(),
                             .cosine = cosine.as<float>(),
                             .sine = sine.as<float>(),
                             .heads = heads,
                             .head_dim = head_dim,
                             .pairs = pairs,
                             .interleaved = options.interleaved,
                             .backwards = options.backwards,
                             .y = y.as<T>()};
    parallel_rows(tokens, heads * head_dim * 8, [&](Range rows) { train_kernels<T>().rotary(args, rows); });
  });
}

}  // namespace fastplm::ops
