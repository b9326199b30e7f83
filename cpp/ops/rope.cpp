#include "ops/rope.h"

#include <cmath>

#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

void rope_table(double theta, TensorView table) {
  const int64_t positions = table.shape[0], head_dim = table.shape[1], half = head_dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    const float frequency = float(1.0 / std::pow(theta, double(2 * i) / double(head_dim)));
    for (int64_t p = 0; p < positions; ++p) {
      const float angle = float(p) * frequency;
      table.as<float>()[p * head_dim + i] = std::cos(angle);
      table.as<float>()[p * head_dim + half + i] = std::sin(angle);
    }
  }
}

void rope(TensorView x, int64_t heads, TensorView table, TensorView position_ids) {
  const Check check{"rope"};
  check.rank("x", x, 2);
  const int64_t rows = x.shape[0], head_dim = table.shape[1];
  check.ids("position_ids", position_ids, rows, table.shape[0]);
  if (head_dim % 2 || heads * head_dim > x.shape[1]) {
    fail(ErrorKind::kValue, "rope: ", heads, " heads of ", head_dim, " do not fit rows of ", x.shape[1],
         "; expected even heads that fit");
  }
  with_float_type("rope", x.dtype, [&]<class T>() {
    const RopeArgs<T> args{.x = x.as<T>(),
                           .ldx = x.shape[1],
                           .heads = heads,
                           .head_dim = head_dim,
                           .cos_sin = table.as<float>(),
                           .position_ids = position_ids.as<int32_t>()};
    parallel_rows(rows, heads * head_dim * 16, [&](Range range) { kernels().of<T>().rope(args, range); });
  });
}

}  // namespace fastplm::ops
