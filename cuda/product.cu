// Products of matrices with bias and activation. Contract: cpp/ops/train/product.h. Large ones whose memory is aligned
// go to cuBLASLt if there is one; the others to this kernel, whose sums run over k in one order whatever m is.
#include "cuda/act.cuh"
#include "cuda/cublas_lt.h"
#include "cuda/kernels.cuh"
#include "cuda/tile.cuh"

namespace fastplm::cuda {
namespace {

// A block computes [kRows, kColumns] of the result with 2 x 4 warps of [64, 32], kDepth of k at a time.
constexpr int kRows = 128, kColumns = 128, kDepth = 32, kThreads = 256;

template <class T, bool kATurned, bool kBTurned>
struct ProductTiles {
  static constexpr int kStages = sizeof(T) == 2 ? 3 : 2;
  static constexpr int kAPitch = pitch_of<T>(kATurned ? kRows : kDepth);
  static constexpr int kBPitch = pitch_of<T>(kBTurned ? kColumns : kDepth);
  static constexpr int kASize = (kATurned ? kDepth : kRows) * kAPitch;
  static constexpr int kBSize = (kBTurned ? kDepth : kColumns) * kBPitch;
  static constexpr int kBytes = kStages * (kASize + kBSize) * int(sizeof(T));

  T* memory = reinterpret_cast<T*>(shared_memory());
  __device__ T* a(int stage) const { return memory + stage * (kASize + kBSize); }
  __device__ T* b(int stage) const { return a(stage) + kASize; }

  __device__ void load(const CudaProductArgs<T>& p, int stage, int64_t row, int64_t column, int64_t k) const {
    if constexpr (kATurned)
      load_tile<kDepth, kRows, kThreads>(a(stage), p.a + k * p.m + row, p.m, p.k - k, p.m - row);
    else
      load_tile<kRows, kDepth, kThreads>(a(stage), p.a + row * p.k + k, p.k, p.m - row, p.k - k);
    if constexpr (kBTurned)
      load_tile<kDepth, kColumns, kThreads>(b(stage), p.b + k * p.n + column, p.n, p.k - k, p.n - column);
    else
      load_tile<kColumns, kDepth, kThreads>(b(stage), p.b + column * p.k + k, p.k, p.n - column, p.k - k);
  }
};

__device__ __noinline__ float act_of(Act act, float x) { return value_and_slope(act, x).value; }

// kBTurned: b is [k, n].
template <class T, bool kATurned, bool kBTurned>
__global__ void __launch_bounds__(kThreads, 1) product_kernel(CudaProductArgs<T> p) {
  const ProductTiles<T, kATurned, kBTurned> tiles;
  using Tiles = ProductTiles<T, kATurned, kBTurned>;
  constexpr int kStages = Tiles::kStages;
  const int64_t row = int64_t(blockIdx.x) * kRows, column = int64_t(blockIdx.y) * kColumns;
  const int warp_row = warp() / 4 * 64, warp_column = warp() % 4 * 32;
  const int64_t steps = (p.k + kDepth - 1) / kDepth;
  Sums<4, 4> sums;
  sums.clear();
#pragma unroll
  for (int s = 0; s < kStages - 1; ++s) {
    if (s < steps) tiles.load(p, s, row, column, int64_t(s) * kDepth);
    end_of_group();
  }
  for (int64_t step = 0; step < steps; ++step) {
    wait_for_groups<kStages - 2>();
    sync_block();   // this step's tiles are there, and nobody reads those of the step before
    const int64_t next = step + kStages - 1;
    if (next < steps) tiles.load(p, int(next % kStages), row, column, next * kDepth);
    end_of_group();
    const int stage = int(step % kStages);
    const T* a = tiles.a(stage) + (kATurned ? warp_row : warp_row * Tiles::kAPitch);
    const T* b = tiles.b(stage) + (kBTurned ? warp_column : warp_column * Tiles::kBPitch);
    multiply<kDepth, kATurned, kBTurned>(sums, a, Tiles::kAPitch, b, Tiles::kBPitch);
  }
  const bool aligned = p.n % 2 == 0;
  sums.for_pairs([&](int r, int c, const float* v) {
    const int64_t i = row + warp_row + r, j = column + warp_column + c, n = p.n - j;
    if (i >= p.m || n <= 0) return;
    float y[2] = {v[0], v[1]};
    if (p.bias) {
      y[0] += p.bias[j];
      if (n > 1) y[1] += p.bias[j + 1];
    }
    const int64_t at = i * p.n + j;
    if (p.accumulate) {
      y[0] += p.out_f32[at];
      if (n > 1) y[1] += p.out_f32[at + 1];
    }
    if (p.before) store_pair(p.before + at, n, aligned, y);
    if (p.act != Act::kNone) {
      y[0] = act_of(p.act, y[0]);
      y[1] = act_of(p.act, y[1]);
    }
    if (p.out_f32)
      store_pair(p.out_f32 + at, n, aligned, y);
    else
      store_pair(p.out + at, n, aligned, y);
  });
}

template <class T, bool kATurned, bool kBTurned>
int run(CudaStream on, const CudaProductArgs<T>& p) {
  const dim3 grid(unsigned((p.m + kRows - 1) / kRows), unsigned((p.n + kColumns - 1) / kColumns));
  return launch(product_kernel<T, kATurned, kBTurned>, on, grid, kThreads, ProductTiles<T, kATurned, kBTurned>::kBytes,
                p);
}

template <class T>
int product(CudaStream on, const CudaProductArgs<T>& p) {
  int error = 0;
  if (product_by_library(on, p, error)) return error;
  if (p.a_transposed) return p.b_transposed ? run<T, true, false>(on, p) : run<T, true, true>(on, p);
  return p.b_transposed ? run<T, false, false>(on, p) : run<T, false, true>(on, p);
}

}  // namespace

template <class T>
void fill_product(CudaKernels<T>& k) {
  k.product = product<T>;
}
template void fill_product(CudaKernels<float>&);
template void fill_product(CudaKernels<f16>&);
template void fill_product(CudaKernels<bf16>&);

}  // namespace fastplm::cuda
