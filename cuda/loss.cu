// Cross-entropy of rows of logits, a block of threads for each. Contract: cpp/ops/train/loss.h. A label that is neither
// `ignored` nor a column gives NaN: the host does not see labels.
#include "cuda/kernels.cuh"
#include "cuda/rows.cuh"

namespace fastplm::cuda {
namespace {

constexpr int kLossThreads = 256;

// Calls body(i, n) for this thread's eights of a row.
template <class Body>
__device__ void for_eights_of_block(int64_t dim, Body body) {
  for (int64_t i = int64_t(threadIdx.x) * kEight; i < dim; i += kLossThreads * kEight) {
    body(i, int(dim - i < kEight ? dim - i : kEight));
  }
}

template <class T>
__global__ void __launch_bounds__(kLossThreads) cross_entropy_kernel(LossArgs<T> a) {
  const int64_t row = blockIdx.x, label = a.labels[row];
  if (label == a.ignored) {
    if (threadIdx.x == 0) a.losses[row] = a.lse[row] = 0.0f;
    return;
  }
  const T* x = a.logits + row * a.vocab;
  // One pass over the logits: each thread's sum is relative to the largest that it has met.
  float top = -INFINITY, total = 0.0f, plain = 0.0f;
  for_eights_of_block(a.vocab, [&](int64_t i, int n) {
    float v[kEight];
    load8(x + i, n, v);
    float here = v[0];
#pragma unroll
    for (int j = 1; j < kEight; ++j) here = j < n ? fmaxf(here, v[j]) : here;
    if (here > top) {
      total *= exp2f((top - here) * kLog2E);
      top = here;
    }
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      plain += v[j];
      if (j < n && v[j] != -INFINITY) total += exp2f((v[j] - top) * kLog2E);
    }
  });
  const float largest = block_max<kLossThreads>(top);
  total = block_sum<kLossThreads>(top == -INFINITY ? total : total * exp2f((top - largest) * kLog2E));
  if (a.smoothing > 0) plain = block_sum<kLossThreads>(plain);
  if (threadIdx.x != 0) return;
  const float lse = largest + logf(total);
  const bool known = label >= 0 && label < a.vocab;
  float loss = lse - (1.0f - a.smoothing) * (known ? to_float(x[label]) : NAN);
  if (a.smoothing > 0) loss -= a.smoothing * (plain / float(a.vocab));
  a.losses[row] = loss + a.z * lse * lse;
  a.lse[row] = lse;
}

template <class T>
__global__ void __launch_bounds__(kLossThreads) cross_entropy_grad_kernel(LossGradArgs<T> a) {
  const int64_t row = blockIdx.x, label = a.labels[row];
  const T* x = a.logits + row * a.vocab;
  T* dx = a.grad + row * a.vocab;
  const bool ignored = label == a.ignored, known = label >= 0 && label < a.vocab;
  const float lse = a.lse[row], dloss = ignored ? 0.0f : known ? a.dlosses[row] : NAN;
  const float factor = dloss * (1.0f + 2.0f * a.z * lse), even = dloss * a.smoothing / float(a.vocab);
  const float own = dloss * (1.0f - a.smoothing);
  for_eights_of_block(a.vocab, [&](int64_t i, int n) {  // dx may be x: a thread reads what it will write
    float v[kEight];
    load8(x + i, n, v);
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      v[j] = ignored ? 0.0f : exp2f((v[j] - lse) * kLog2E) * factor - even - (i + j == label ? own : 0.0f);
    }
    store8(dx + i, n, v);
  });
}

}  // namespace

template <class T>
void fill_loss(CudaKernels<T>& k) {
  k.cross_entropy = [](CudaStream on, const LossArgs<T>& a, int64_t rows) {
    return launch(cross_entropy_kernel<T>, on, dim3(unsigned(rows)), kLossThreads, 0, a);
  };
  k.cross_entropy_grad = [](CudaStream on, const LossGradArgs<T>& a, int64_t rows) {
    return launch(cross_entropy_grad_kernel<T>, on, dim3(unsigned(rows)), kLossThreads, 0, a);
  };
}
template void fill_loss(CudaKernels<float>&);
template void fill_loss(CudaKernels<f16>&);
template void fill_loss(CudaKernels<bf16>&);

}  // namespace fastplm::cuda
