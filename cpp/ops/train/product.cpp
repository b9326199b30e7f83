#include "ops/train/product.h"

#include <atomic>

#include "core/buffer.h"
#include "kernels/train.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {
namespace {

constexpr int64_t kGroup = 8;   // panels of one unit of work
constexpr int64_t kTokens = 1024;   // of k, for the gradient of a weight
constexpr int64_t kPackedValues = 4 << 20;   // of b at a time, where that needs no more passes over out

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How one product is cut up, and where its parts of the workspace lie.
template <class T>
struct Plan {
  int64_t m, n, k;
  int64_t depth, width;   // of k and n: what of b is packed at a time
  int64_t rows;           // of one piece
  int64_t pieces, threads;
  int64_t panel_bytes, thread_bytes, sum_bytes;

  Plan(TensorView a, TensorView b, const ProductOptions& o, TensorView out) {
    const auto& kernel = train_kernels<T>();
    m = a.shape[o.a_transposed ? 1 : 0];
    k = a.shape[o.a_transposed ? 0 : 1];
    n = b.shape[o.b_transposed ? 0 : 1];
    const auto part = [](int64_t of, int64_t other, int64_t unit) {   // a multiple of the unit, or all
      return std::min(of, std::max<int64_t>(1, kPackedValues / std::max<int64_t>(1, other) / unit) * unit);
    };
    depth = o.a_transposed ? std::min(k, kTokens) : k > n ? part(k, n, kTokens) : k;
    width = part(n, depth, kernel.product_panel * kGroup);
    static const int64_t cache = second_level_cache() / 2;   // the rest is for the panels that pass by
    const int64_t block = kernel.product_block;
    rows = std::max<int64_t>(1, cache / (std::max<int64_t>(1, depth) * int64_t(sizeof(float))) / block) * block;
    pieces = ceil_div(m, rows);
    threads = std::max<int64_t>(1, std::min<int64_t>(num_threads(), pieces * groups(width)));
    const auto aligned = [](int64_t bytes) { return ceil_div(bytes, kAlign) * kAlign; };
    panel_bytes = aligned(kernel.product_panels(width, depth));
    thread_bytes = aligned(kernel.product_workspace(std::min(m, rows), depth));
    sum_bytes = depth < k && out.dtype != DType::kF32 ? aligned(m * n * int64_t(sizeof(float))) : 0;
  }
  static int64_t groups(int64_t columns) { return ceil_div(columns, train_kernels<T>().product_panel * kGroup); }
  int64_t bytes() const { return panel_bytes + threads * thread_bytes + sum_bytes; }
};

// One part of b, by all threads.
template <class T>
void run(const ProductArgs<T>& all, const Plan<T>& plan, std::byte* workspace) {
  const auto& kernel = train_kernels<T>();
  const int64_t panels = ceil_div(all.n, kernel.product_panel), groups = plan.groups(all.n);
  parallel_for(panels, 1, [&](int64_t begin, int64_t end) { kernel.product_pack(all, {begin, end}); });
  std::atomic<int64_t> next{0};
  parallel_for(plan.threads, 1, [&](int64_t thread, int64_t) {
    ProductArgs<T> args = all;
    args.workspace = workspace + thread * plan.thread_bytes;
    int64_t ready = -1;
    Stops stops;
    for (int64_t unit; (unit = next.fetch_add(1, std::memory_order_relaxed)) < plan.pieces * groups;) {
      const int64_t piece = unit / groups, group = unit % groups;
      const Range rows{piece * plan.rows, std::min(plan.m, (piece + 1) * plan.rows)};
      const Range these{group * kGroup, std::min(panels, (group + 1) * kGroup)};
      stops.before(rows.size() * args.k * these.size() * kernel.product_panel);
      if (piece != ready) kernel.product_rows(args, rows);
      ready = piece;
      kernel.product(args, rows, these);
    }
  });
}

constexpr int64_t kCudaWorkspace = (32 << 20) + (1 << 20);  // what NVIDIA advises for cuBLASLt, and a bias before it

void product_on_cuda(TensorView a, TensorView b, TensorView bias, const ProductOptions& o, TensorView before,
                     TensorView out, TensorView workspace) {
  const int64_t m = a.shape[o.a_transposed ? 1 : 0], k = a.shape[o.a_transposed ? 0 : 1];
  const int64_t n = b.shape[o.b_transposed ? 0 : 1];
  const Check check{"product"};
  check.matches("b", b, a.dtype, o.b_transposed ? Shape{n, k} : Shape{k, n});
  check.optional("bias", bias, DType::kF32, {n});
  check.optional("before", before, a.dtype, {m, n});
  check.shape("out", out, {m, n});
  const bool to_f32 = out.dtype == DType::kF32;
  if (!to_f32) check.dtype("out", out, o.accumulate ? DType::kF32 : a.dtype);
  check.at_least("workspace", workspace, kCudaWorkspace);
  with_cuda("product", a, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
    return cuda.product(on, {.a = a.as<T>(),
                             .b = b.as<T>(),
                             .a_transposed = o.a_transposed,
                             .b_transposed = o.b_transposed,
                             .m = m,
                             .n = n,
                             .k = k,
                             .bias = bias.as<float>(),
                             .act = o.act,
                             .accumulate = o.accumulate,
                             .before = before.as<T>(),
                             .out_f32 = to_f32 ? out.as<float>() : nullptr,
                             .out = to_f32 ? nullptr : out.as<T>(),
                             .workspace = workspace.data,
                             .workspace_bytes = kCudaWorkspace});
  });
}

}  // namespace

int64_t product_workspace(TensorView a, TensorView b, const ProductOptions& options, TensorView out) {
  const Check check{"product"};
  check.rank("a", a, 2);
  check.rank("b", b, 2);
  if (on_cuda(a)) return kCudaWorkspace;
  int64_t bytes = 0;
  with_float_type("product", a.dtype, [&]<class T>() { bytes = Plan<T>(a, b, options, out).bytes(); });
  return bytes;
}

void product(TensorView a, TensorView b, TensorView bias, const ProductOptions& o, TensorView before, TensorView out,
             TensorView workspace) {
  const Check check{"product"};
  check.rank("a", a, 2);
  check.rank("b", b, 2);
  if (on_cuda(a)) return product_on_cuda(a, b, bias, o, before, out, workspace);
  with_float_type("product", a.dtype, [&]<class T>() {
    const Plan<T> plan(a, b, o, out);
    check.matches("b", b, a.dtype, o.b_transposed ? Shape{plan.n, plan.k} : Shape{plan.k, plan.n});
    check.optional("bias", bias, DType::kF32, {plan.n});
    check.optional("before", before, a.dtype, {plan.m, plan.n});
    check.shape("out", out, {plan.m, plan.n});
    const bool to_f32 = out.dtype == DType::kF32;
    if (!to_f32) check.dtype("out", out, o.accumulate ? DType::kF32 : a.dtype);
    check.at_least("workspace", workspace, plan.bytes());
    std::byte* const panels = workspace.as<std::byte>();
    std::byte* const threads = panels + plan.panel_bytes;
    float* const sums = to_f32 ? out.as<float>() : reinterpret_cast<float*>(threads + plan.threads * plan.thread_bytes);
    const int64_t a_depth = o.a_transposed ? plan.m : 1;
    const int64_t b_column = o.b_transposed ? plan.k : 1, b_depth = o.b_transposed ? 1 : plan.n;
    for (int64_t column = 0; column < plan.n; column += plan.width) {
      int64_t from = 0;
      do {  // once also for k = 0
        const int64_t depth = std::min(plan.depth, plan.k - from);
        const bool last = from + depth == plan.k, begun = o.accumulate || from > 0;
        run<T>({.a = a.as<T>() + from * a_depth,
                .a_row = o.a_transposed ? 1 : plan.k,
                .a_depth = a_depth,
                .b = b.as<T>() + from * b_depth + column * b_column,
                .b_column = b_column,
                .b_depth = b_depth,
                .n = std::min(plan.width, plan.n - column),
                .k = depth,
                .add = begun ? sums + column : nullptr,
                .bias = last && bias ? bias.as<float>() + column : nullptr,
                .act = last ? o.act : Act::kNone,
                .before = last && before ? before.as<T>() + column : nullptr,
                .out_f32 = to_f32 || !last ? sums + column : nullptr,
                .out = to_f32 ? nullptr : out.as<T>() + column,
                .ldo = plan.n,
                .panels = panels},
               plan, threads);
        from += depth;
      } while (from < plan.k);
    }
  });
}

}  // namespace fastplm::ops
