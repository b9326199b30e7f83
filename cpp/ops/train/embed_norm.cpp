#include "ops/train/embed_norm.h"

#include "kernels/train.h"
#include "ops/dispatch.h"
#include "ops/train/dropout.h"
#include "ops/train/gated.h"
#include "ops/train/rows.h"

namespace fastplm::ops {
namespace {

void check_ids(const Check& check, TensorView ids, int64_t tokens, int64_t rows) {
  if (!ids) {
    if (tokens && !rows) fail(ErrorKind::kValue, check.op, ": a table has no rows; expected at least one");
    return;
  }
  check.matches("ids", ids, DType::kI64, {tokens});
  for (int64_t i = 0; i < tokens; ++i) {
    const int64_t id = ids.as<int64_t>()[i];
    if (id >= 0 && id < rows) continue;
    fail(ErrorKind::kValue, check.op, ": ids hold ", id, " at token ", i, "; expected 0 to ", rows - 1);
  }
}

}  // namespace

void embed_norm(std::span<const EmbedTable> tables, TensorView weight, TensorView bias, const AddNorm& options,
                TensorView sum, TensorView y, TensorView stats) {
  const Check check{"embedding_layer_norm"};
  check.rank("sum", sum, 2);
  const int64_t tokens = sum.shape[0], dim = sum.shape[1];
  if (tables.empty() || tables.size() > kEmbedTables) {
    fail(ErrorKind::kValue, check.op, ": ", tables.size(), " tables; expected 1 to ", kEmbedTables);
  }
  for (const EmbedTable& t : tables) {
    check.rank("a table", t.table, 2);
    check.matches("a table", t.table, sum.dtype, {t.table.shape[0], dim});
    check_ids(check, t.ids, tokens, t.table.shape[0]);
  }
  check.optional("weight", weight, DType::kF32, {dim});
  check.optional("bias", bias, DType::kF32, {dim});
  check.positive("eps", options.eps);
  check.matches("y", y, sum.dtype, sum.shape);
  check.matches("stats", stats, DType::kF32, {tokens, 2});
  const Dropout dropout = dropout_of(check, options.seed, options.p);
  with_float_type(check.op, sum.dtype, [&]<class T>() {
    GatherArgs<T> gather{.dim = dim, .sum = sum.as<T>()};
    for (size_t t = 0; t < tables.size(); ++t) {
      gather.tables[t] = tables[t].table.as<T>();
      gather.ids[t] = tables[t].ids.as<int64_t>();
    }
    const AddNormArgs<T> norm{.x = sum.as<T>(),
                              .weight = weight.as<float>(),
                              .bias = bias.as<float>(),
                              .dim = dim,
                              .eps = float(options.eps),
                              .kind = options.kind,
                              .y = y.as<T>(),
                              .stats = stats.as<float>()};
    const GatedArgs<T> drop{.x = y.as<T>(), .dropout = dropout, .dim = dim, .act = Act::kNone, .y = y.as<T>()};
    const TrainKernels<T>& kernels = train_kernels<T>();
    parallel_rows(tokens, dim * 16, [&](Range range) {
      constexpr int64_t kRows = 8;   // at a time: they stay in the first-level cache
      for (int64_t r = range.begin; r < range.end; r += kRows) {
        const Range rows{r, std::min(range.end, r + kRows)};
        kernels.gather(gather, rows);
        kernels.add_norm(norm, rows);
        if (dropout) kernels.gated(drop, rows);
      }
    });
  });
}

void embed_norm_grad(TensorView dy, TensorView sum, TensorView stats, TensorView weight, const AddNorm& options,
                     TensorView dsum, TensorView dweight, TensorView dbias, TensorView workspace) {
  const TensorView none;
  const AddNorm without_dropout{options.kind, options.eps, none, 0.0};
  const TensorView of_norm = options.seed ? dsum : dy;
  if (options.seed) gated_grad(dy, sum, none, Act::kNone, options.seed, options.p, dsum, none);
  add_norm_grad(of_norm, none, sum, stats, weight, without_dropout, none, dsum, dweight, dbias, workspace);
}

void scatter(TensorView grad, TensorView ids, TensorView table) {
  const Check check{"embedding_layer_norm_grad"};
  check.rank("grad", grad, 2);
  check.rank("table", table, 2);
  const int64_t tokens = grad.shape[0], dim = grad.shape[1], rows = table.shape[0];
  check.matches("table", table, DType::kF32, {rows, dim});
  check_ids(check, ids, tokens, rows);
  parallel_rows(rows, dim * int64_t(sizeof(float)), [&](Range range) {
    std::fill(table.as<float>() + range.begin * dim, table.as<float>() + range.end * dim, 0.0f);
  });
  with_float_type(check.op, grad.dtype, [&]<class T>() {
    constexpr int64_t kLine = 16;   // floats of a cache line, which one thread writes
    parallel_for((dim + kLine - 1) / kLine, 4, [&](int64_t begin, int64_t end) {
      const Range columns{begin * kLine, std::min(dim, end * kLine)};
      train_kernels<T>().scatter(grad.as<T>(), ids.as<int64_t>(), tokens, dim, columns, table.as<float>());
    });
  });
}

}  // namespace fastplm::ops
