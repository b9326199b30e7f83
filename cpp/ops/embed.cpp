#include "ops/embed.h"

#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

void embed(const EmbedTables& tables, TensorView ids, TensorView x, TensorView segment_ids, TensorView position_ids,
           TensorView y) {
  const Check check{"embed"};
  check.rank("y", y, 2);
  check.dtype("y", y, DType::kF32);
  const int64_t rows = y.shape[0], dim = y.shape[1];
  const int64_t vocab = tables.packed ? tables.packed.n : tables.tokens.shape[0];
  if (tables.packed ? tables.packed.k != dim : tables.tokens.shape != Shape{vocab, dim}) {
    fail(ErrorKind::kValue, "embed: the table of tokens has another width than y, ", dim);
  }
  if (ids)
    check.ids("input_ids", ids, rows, vocab);
  else
    check.matches("inputs_embeds", x, DType::kF32, y.shape);
  if (tables.segments && segment_ids) check.ids("token_type_ids", segment_ids, rows, tables.segments.shape[0]);
  if (tables.positions) check.ids("position_ids", position_ids, rows, tables.positions.shape[0]);

  with_float_type("embed", tables.packed ? activation_of(tables.packed.format) : tables.tokens.dtype, [&]<class T>() {
    const EmbedArgs<T> args{.tokens = tables.tokens.as<T>(),
                            .panels = static_cast<const T*>(tables.packed.panels),
                            .segments = tables.segments.as<float>(),
                            .positions = tables.positions.as<float>(),
                            .ids = ids.as<int32_t>(),
                            .x = x.as<float>(),
                            .segment_ids = segment_ids.as<int32_t>(),
                            .position_ids = position_ids.as<int32_t>(),
                            .dim = dim,
                            .scale = float(tables.scale),
                            .x_scale = float(tables.x_scale),
                            .y = y.as<float>()};
    parallel_rows(rows, dim * 16, [&](Range range) { kernels().of<T>().embed(args, range); });
  });
}

}  // namespace fastplm::ops
