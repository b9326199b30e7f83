#include "ops/embed.h"

#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

static void check_ids(const char* name, TensorView ids, int64_t rows, int64_t count) {
  const Check check{"embed"};
  check.matches(name, ids, DType::kI32, {rows});
  for (int64_t r = 0; r < rows; ++r) {
    const int32_t id = ids.as<int32_t>()[r];
    if (id < 0 || id >= count) {
      fail(ErrorKind::kValue, "embed: ", name, " holds ", id, " at token ", r, "; expected 0 to ", count - 1);
    }
  }
}

void embed(const EmbedTables& tables, TensorView ids, TensorView x, TensorView segment_ids, TensorView position_ids, TensorView y) {
  const Check check{"embed"};
  check.rank("y", y, 2);
  check.dtype("y", y, DType::kF32);
  const int64_t rows = y.shape[0], dim = y.shape[1];
  check.shape("tokens", tables.tokens, {tables.tokens.shape[0], dim});
  if (ids) check_ids("input_ids", ids, rows, tables.tokens.shape[0]);
  else check.matches("inputs_embeds", x, DType::kF32, y.shape);
  if (tables.segments && segment_ids) check_ids("token_type_ids", segment_ids, rows, tables.segments.shape[0]);
  if (tables.positions) check_ids("position_ids", position_ids, rows, tables.positions.shape[0]);

  with_float_type("embed", tables.tokens.dtype, [&]<class T>() {
    const EmbedArgs<T> args{.tokens = tables.tokens.as<T>(), .segments = tables.segments.as<float>(),
                            .positions = tables.positions.as<float>(), .ids = ids.as<int32_t>(), .x = x.as<float>(),
                            .segment_ids = segment_ids.as<int32_t>(), .position_ids = position_ids.as<int32_t>(),
                            .dim = dim, .scale = float(tables.scale), .y = y.as<float>()};
    parallel_rows(rows, dim * 16, [&](Range range) { kernels().of<T>().embed(args, range); });
  });
}

}  // namespace fastplm::ops
