// Kernels that work row by row: a warp has a row, and a lane eight values of it at a time.
#pragma once
#include "cuda/values.cuh"

namespace fastplm::cuda {

constexpr int kRowThreads = 256;
constexpr int kRowsPerBlock = kRowThreads / 32;
constexpr int kSpan = 32 * kEight;   // values of a row that a warp takes together

__device__ inline int lane() { return int(threadIdx.x % 32); }
__device__ inline int warp() { return int(threadIdx.x / 32); }
__device__ inline int64_t row_of_warp() { return int64_t(blockIdx.x) * kRowsPerBlock + warp(); }

inline dim3 blocks_of_rows(int64_t rows) { return dim3(unsigned((rows + kRowsPerBlock - 1) / kRowsPerBlock)); }

__device__ inline float warp_sum(float v) {   // the same in all lanes
#pragma unroll
  for (int d = 16; d > 0; d /= 2) v += of_partner(v, d);
  return v;
}
__device__ inline float warp_max(float v) {
#pragma unroll
  for (int d = 16; d > 0; d /= 2) v = fmaxf(v, of_partner(v, d));
  return v;
}

// Calls body(i, n): this lane has the values i to i + n - 1 of a row of dim; n may be 0. All lanes call it equally
// often.
template <class Body>
__device__ void for_eights(int64_t dim, Body body) {
  for (int64_t span = 0; span < dim; span += kSpan) {
    const int64_t i = span + lane() * kEight, rest = dim - i;
    body(i, int(rest < 0 ? 0 : rest < kEight ? rest : kEight));
  }
}

// The sum over a block, in all threads; every thread takes part.
template <int kThreads>
__device__ float block_sum(float v) {
  __shared__ float sums[kThreads / 32];
  v = warp_sum(v);
  sync_block();   // whoever still reads the sums of the call before
  if (lane() == 0) sums[warp()] = v;
  sync_block();
  v = 0.0f;
#pragma unroll
  for (int i = 0; i < kThreads / 32; ++i) v += sums[i];
  return v;
}
template <int kThreads>
__device__ float block_max(float v) {
  __shared__ float tops[kThreads / 32];
  v = warp_max(v);
  sync_block();
  if (lane() == 0) tops[warp()] = v;
  sync_block();
  v = tops[0];
#pragma unroll
  for (int i = 1; i < kThreads / 32; ++i) v = fmaxf(v, tops[i]);
  return v;
}

}  // namespace fastplm::cuda
