#include "ops/linear.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <mutex>
#include <vector>

#include "core/buffer.h"
#include "core/parallel.h"
#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/convert.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

int64_t packed_bytes(Format format, int64_t n, int64_t k) {
  const FormatKernels& kernel = kernels().of(format);
  return ceil_div(n, kernel.panel) * kernel.panel_bytes(k);
}

CodeLayout codes_of(Format format) { return kernels().of(format).codes; }

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

std::vector<float> column_sizes(TensorView w, bool transposed) {
  const int64_t rows = w.shape[0], width = w.shape[1];
  std::vector<float> sizes(size_t(transposed ? rows : width), 0.0f);
  std::mutex lock;
  with_stored_type("column_sizes", w.dtype, [&]<class From>() {
    parallel_for(rows, std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(width, 1)), [&](int64_t begin, int64_t end) {
      std::vector<float> row(static_cast<size_t>(width)), own(transposed ? 0 : size_t(width), 0.0f);
      for (int64_t i = begin; i < end; ++i) {
        convert({w.as<From>() + i * width, w.dtype, Device::kCpu, {width}},
                {row.data(), DType::kF32, Device::kCpu, {width}});
        if (transposed) {
          for (float value : row) sizes[size_t(i)] = std::max(sizes[size_t(i)], std::fabs(value));
        } else {
          for (size_t j = 0; j < own.size(); ++j) own[j] = std::max(own[j], std::fabs(row[j]));
        }
      }
      const std::lock_guard held(lock);
      for (size_t j = 0; j < own.size(); ++j) sizes[j] = std::max(sizes[j], own[j]);
    });
  });
  return sizes;
}

static const float* factors_of(std::span<const float> given, int64_t count, Format format) {
  if (given.empty()) return nullptr;
  if (int64_t(given.size()) != count || !codes_of(format).bits) {
    fail(ErrorKind::kInternal, "pack: ", given.size(), " factors for ", count, " values");
  }
  return given.data();
}

void pack(TensorView w, bool transposed, const PackedWeight& out, const Factors& factors) {
  const Check check{"pack"};
  check.shape("w", w, transposed ? Shape{out.k, out.n} : Shape{out.n, out.k});
  check_k(out);
  const float *rows = factors_of(factors.rows, out.n, out.format),
              *columns = factors_of(factors.columns, out.k, out.format);
  with_stored_type("pack", w.dtype, [&]<class From>() {
    pack_panels<From>(out.format, {.source = w.as<From>(),
                                   .stride_n = transposed ? 1 : out.k,
                                   .stride_k = transposed ? out.n : 1,
                                   .n = out.n,
                                   .k = out.k,
                                   .panels = out.panels,
                                   .row_factors = rows,
                                   .column_factors = columns});
  });
}

void pack_rows(std::span<const void* const> rows, DType stored, const PackedWeight& out, const Factors& factors) {
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
                                   .rows = reinterpret_cast<const From* const*>(rows.data()),
                                   .row_factors = factors_of(factors.rows, out.n, out.format),
                                   .column_factors = factors_of(factors.columns, out.k, out.format)});
  });
}

static void for_codes(const CodedRows& rows, const PackedWeight& w,
                      void (*FormatKernels::*kernel)(const CodesArgs&, Range) noexcept) {
  const FormatKernels& format = kernels().of(w.format);
  const size_t n = size_t(w.n);
  if (!format.codes.bits || rows.codes.size() != n || rows.scales.size() != n ||
      rows.zeros.size() != (format.codes.zeros ? n : 0)) {
    fail(ErrorKind::kInternal, "pack_codes: rows of another layout");
  }
  check_k(w);
  const CodesArgs args{.codes = rows.codes.data(),
                       .scales = rows.scales.data(),
                       .zeros = rows.zeros.data(),
                       .n = w.n,
                       .k = w.k,
                       .panels = w.panels};
  parallel_for(ceil_div(w.n, format.panel), 1,
               [&](int64_t begin, int64_t end) { (format.*kernel)(args, Range{begin, end}); });
}

void pack_codes(const CodedRows& rows, const PackedWeight& out) { for_codes(rows, out, &FormatKernels::pack_codes); }

void unpack_codes(const PackedWeight& w, const CodedRows& out) { for_codes(out, w, &FormatKernels::unpack_codes); }

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
  if (w.k < 1) fail(ErrorKind::kValue, "linear: a has shape ", a.shape, "; expected at least one value in each row");
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
