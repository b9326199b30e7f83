#include "ops/linear.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/buffer.h"
#include "core/parallel.h"
#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t packed_bytes(Format format, int64_t n, int64_t k) {
  const FormatKernels& kernel = kernels().of(format);
  return ceil_div(n, kernel.panel) * kernel.panel_bytes(k);
}

DType activation_of(Format format) { return kernels().of(format).activation; }

template <class From>
static auto pack_kernel(Format format) {
  const FormatKernels& kernel = kernels().of(format);
  if constexpr (std::is_same_v<From, float>)
    return kernel.pack_f32;
  else if constexpr (std::is_same_v<From, f16>)
    return kernel.pack_f16;
  else
    return kernel.pack_bf16;
}

template <class From>
static void pack_panels(Format format, const PackArgs<From>& args) {
  const auto kernel = pack_kernel<From>(format);
  parallel_for(ceil_div(args.n, kernels().of(format).panel), 1,
               [&](int64_t begin, int64_t end) { kernel(args, Range{begin, end}); });
}

static void check_k(const PackedWeight& out) {
  const int64_t most = kernels().of(out.format).max_k;
  if (out.k > most) {
    fail(ErrorKind::kUnsupported, "pack: rows of ", out.k, " values; sums of this format hold at most ", most);
  }
}

void pack(TensorView w, bool transposed, const PackedWeight& out) {
  const Check check{"pack"};
  check.shape("w", w, transposed ? Shape{out.k, out.n} : Shape{out.n, out.k});
  check_k(out);
  with_stored_type("pack", w.dtype, [&]<class From>() {
    pack_panels<From>(out.format, {.source = w.as<From>(),
                                   .stride_n = transposed ? 1 : out.k,
                                   .stride_k = transposed ? out.n : 1,
                                   .n = out.n,
                                   .k = out.k,
                                   .panels = out.panels});
  });
}

void pack_rows(std::span<const void* const> rows, DType stored, const PackedWeight& out) {
  if (int64_t(rows.size()) != out.n) {
    fail(ErrorKind::kValue, "pack: ", rows.size(), " rows; expected ", out.n);
  }
  check_k(out);
  with_stored_type("pack", stored, [&]<class From>() {
    pack_panels<From>(out.format, {.source = nullptr,
                                   .stride_n = 0,
                                   .stride_k = 1,
                                   .n = out.n,
                                   .k = out.k,
                                   .panels = out.panels,
                                   .rows = reinterpret_cast<const From* const*>(rows.data())});
  });
}

// The rows of `a` that one piece takes: as many as stay in the second-level cache with some of the panels that pass by,
// since each further piece reads all panels again; no fewer than the register tile holds.
static int64_t rows_per_piece(int64_t k, int64_t element, int64_t tile_rows) {
  static const int64_t cache = second_level_cache() * 3 / 4;
  return std::max<int64_t>(1, cache / (k * element) / tile_rows) * tile_rows;
}

// Grows to the largest that was asked for: about the second-level cache.
static void* workspace_of_thread(int64_t bytes) {
  static thread_local Buffer workspace;
  if (workspace.size() < bytes) workspace = Buffer(bytes);
  return workspace.data();
}

struct alignas(kAlign) Run {   // a cache line of its own
  std::atomic<int64_t> next{0};
};

void linear(TensorView a, const PackedWeight& w, TensorView bias, Act act, TensorView residual, TensorView out) {
  const Check check{"linear"};
  check.rank("a", a, 2);
  const int64_t m = a.shape[0];
  const FormatKernels& kernel = kernels().of(w.format);
  check.matches("a", a, kernel.activation, {m, w.k});
  check.optional("bias", bias, DType::kF32, {w.n});
  check.optional("residual", residual, DType::kF32, {m, w.n});
  check.shape("out", out, {m, w.n});
  const bool to_f32 = out.dtype == DType::kF32;
  if (!to_f32) check.dtype("out", out, kernel.activation);

  const GemmArgs all{.a = a.data,
                     .lda = w.k,
                     .panels = w.panels,
                     .n = w.n,
                     .k = w.k,
                     .bias = bias.as<float>(),
                     .act = act,
                     .residual = residual.as<float>(),
                     .out_f32 = to_f32 ? out.as<float>() : nullptr,
                     .out = to_f32 ? nullptr : out.data,
                     .ldo = w.n,
                     .workspace = nullptr};
  const int64_t rows = rows_per_piece(w.k, kernel.row_value, kernel.block_rows), panels = ceil_div(w.n, kernel.panel);
  const int64_t workspace = kernel.gemm_workspace(std::min(m, rows), w.k), units = ceil_div(m, rows) * panels;
  // A unit is one panel against one piece of rows. Each thread has its own run of units, so that the panel it fetches
  // ahead is the one it needs next, and then helps with another's.
  const int64_t runs = std::min<int64_t>(num_threads(), units);
  std::vector<Run> taken(static_cast<size_t>(runs));
  parallel_for(runs, 1, [&](int64_t own, int64_t) {
    GemmArgs args = all;
    args.workspace = workspace_of_thread(workspace);
    int64_t ready = -1;
    Stops stops;
    for (int64_t i = 0; i < runs; ++i) {
      const int64_t run = (own + i) % runs, begin = units * run / runs, end = units * (run + 1) / runs;
      std::atomic<int64_t>& next = taken[size_t(run)].next;
      for (int64_t unit; (unit = begin + next.fetch_add(1, std::memory_order_relaxed)) < end;) {
        const int64_t row = unit / panels * rows, panel = unit % panels;
        const Range these = {row, std::min(m, row + rows)};
        stops.before(these.size() * w.k * kernel.panel);
        if (row != ready) kernel.gemm_rows(args, these);
        ready = row;
        kernel.gemm(args, these, {panel, panel + 1});
      }
    }
  });
}

}  // namespace fastplm::ops
