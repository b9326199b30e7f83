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
  check.optional("segments", tables.segments, DType::kF32, {tables.segments.shape[0], dim});
  check.optional("positions", tables.positions, DType::kF32, {tables.positions.shape[0], dim});
  if (tables.segments && !segment_ids && tables.segments.shape[0] < 1)
    fail(ErrorKind::kValue, "embed: segments has no row; expected at least one");
  if (!ids) check.matches("inputs_embeds", x, DType::kF32, y.shape);
  const auto check_ids = [&](const char* name, TensorView of, int64_t count) {
    if (on_cuda(y))
      check.matches(name, of, DType::kI32, {rows});   // the kernel looks at them
    else
      check.ids(name, of, rows, count);
  };
  if (ids) check_ids("input_ids", ids, vocab);
  if (tables.segments && segment_ids) check_ids("token_type_ids", segment_ids, tables.segments.shape[0]);
  if (tables.positions) check_ids("position_ids", position_ids, tables.positions.shape[0]);

  const auto args = [&]<class T>(T) -> EmbedArgs<T> {
    return {.tokens = tables.tokens.as<T>(),
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
  };
  if (on_cuda(y)) {
    if (tables.packed) fail(ErrorKind::kUnsupported, "embed: the table is packed; expected a plain one on CUDA");
    return with_cuda("embed", tables.tokens, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.embed(on, args(T{}), rows, vocab, tables.segments.shape[0], tables.positions.shape[0]);
    });
  }
  with_float_type("embed", tables.packed ? activation_of(tables.packed.format) : tables.tokens.dtype, [&]<class T>() {
    parallel_rows(rows, dim * 16, [&](Range range) { kernels().of<T>().embed(args(T{}), range); });
  });
}

}  // namespace fastplm::ops
