// Activations, gated or plain. Contract: cpp/ops/train/gated.h.
#include "cuda/act.cuh"
#include "cuda/kernels.cuh"
#include "cuda/random.cuh"

namespace fastplm::cuda {
namespace {

template <class T>
struct GatedCall {
  GatedArgs<T> args;
  int64_t rows;
  const int64_t* seed;
};

template <class T>
__global__ void __launch_bounds__(kRowThreads) gated_kernel(GatedCall<T> call) {
  const GatedArgs<T>& a = call.args;
  const int64_t row = row_of_warp();
  if (row >= call.rows) return;
  const Dropout dropout = with_seed(a.dropout, call.seed);
  for_eights(a.dim, [&](int64_t i, int n) {
    const int64_t at = row * a.dim + i;
    float x[kEight], up[kEight], keep[kEight];
    load8(a.x + at, n, x);
    if (a.up) load8(a.up + at, n, up);
    keep_eight(dropout, row, i, keep);
#pragma unroll
    for (int j = 0; j < kEight; ++j) x[j] = value_and_slope(a.act, x[j]).value * (a.up ? up[j] : 1.0f) * keep[j];
    store8(a.y + at, n, x);
  });
}

template <class T>
struct GatedGradCall {
  GatedGradArgs<T> args;
  int64_t rows;
  const int64_t* seed;
};

template <class T>
__global__ void __launch_bounds__(kRowThreads) gated_grad_kernel(GatedGradCall<T> call) {
  const GatedGradArgs<T>& a = call.args;
  const int64_t row = row_of_warp();
  if (row >= call.rows) return;
  const Dropout dropout = with_seed(a.dropout, call.seed);
  for_eights(a.dim, [&](int64_t i, int n) {
    const int64_t at = row * a.dim + i;
    float dy[kEight], x[kEight], up[kEight], keep[kEight];
    load8(a.dy + at, n, dy);
    load8(a.x + at, n, x);
    if (a.up) load8(a.up + at, n, up);
    keep_eight(dropout, row, i, keep);
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      const ValueAndSlope here = value_and_slope(a.act, x[j]);
      dy[j] *= keep[j];
      x[j] = dy[j] * here.slope * (a.up ? up[j] : 1.0f);
      up[j] = dy[j] * here.value;
    }
    store8(a.dx + at, n, x);
    if (a.up) store8(a.dup + at, n, up);
  });
}

template <class T>
struct GluCall {
  GluArgs<T> args;
  int64_t rows;
};

template <class T>
__global__ void __launch_bounds__(kRowThreads) glu_kernel(GluCall<T> call) {
  const GluArgs<T>& a = call.args;
  const int64_t row = row_of_warp();
  if (row >= call.rows) return;
  for_eights(a.dim, [&](int64_t i, int n) {
    const T* x = a.x + row * 2 * a.dim + i;
    float gate[kEight], up[kEight];
    load8(x, n, gate);
    load8(x + a.dim, n, up);
#pragma unroll
    for (int j = 0; j < kEight; ++j) gate[j] = value_and_slope(a.act, gate[j]).value * up[j];
    store8(a.y + row * a.dim + i, n, gate);
  });
}

}  // namespace

template <class T>
void fill_gated(CudaKernels<T>& k) {
  k.gated = [](CudaStream on, const GatedArgs<T>& a, int64_t rows, const int64_t* seed) {
    return launch(gated_kernel<T>, on, blocks_of_rows(rows), kRowThreads, 0, {a, rows, seed});
  };
  k.gated_grad = [](CudaStream on, const GatedGradArgs<T>& a, int64_t rows, const int64_t* seed) {
    return launch(gated_grad_kernel<T>, on, blocks_of_rows(rows), kRowThreads, 0, {a, rows, seed});
  };
  k.glu = [](CudaStream on, const GluArgs<T>& a, int64_t rows) {
    return launch(glu_kernel<T>, on, blocks_of_rows(rows), kRowThreads, 0, {a, rows});
  };
}
template void fill_gated(CudaKernels<float>&);
template void fill_gated(CudaKernels<f16>&);
template void fill_gated(CudaKernels<bf16>&);

}  // namespace fastplm::cuda
