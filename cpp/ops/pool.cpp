#include "ops/pool.h"

#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/rows.h"
#include "ops/sequences.h"

namespace fastplm::ops {

void pool(TensorView x, TensorView cu_seqlens, PoolKind kind, bool normalize, TensorView y) {
  const Check check{"pool"};
  check.rank("x", x, 2);
  check.dtype("x", x, DType::kF32);
  const int64_t tokens = x.shape[0], dim = x.shape[1], sequences = sequences_of("pool", cu_seqlens, tokens).count;
  check.matches("y", y, DType::kF32, {sequences, dim});
  const int32_t* start = cu_seqlens.as<int32_t>();
  parallel_rows(sequences, (tokens / std::max<int64_t>(1, sequences) + 1) * dim * 4, [&](Range range) {
    for (int64_t s = range.begin; s < range.end; ++s) {
      kernels().pool({.x = x.as<float>() + start[s] * dim,
                      .length = start[s + 1] - start[s],
                      .dim = dim,
                      .kind = kind,
                      .normalize = normalize,
                      .y = y.as<float>() + s * dim});
    }
  });
}

}  // namespace fastplm::ops
