// Adam with decoupled weight decay over many tensors in one launch, and the norm of gradients. Contract:
// cpp/ops/train/adamw.h.
#include "cuda/kernels.cuh"
#include "cuda/rows.cuh"

namespace fastplm::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kTensors = 48;   // of one launch: its arguments must stay below 4 KiB

// Some tensors, cut into blocks of kAdamWBlock values.
struct Tensors {
  CudaAdamWTensor tensor[kTensors];
  uint32_t first_block[kTensors + 1];
  int count;
};

// Calls body(tensors, blocks) for all of them, a launch's worth at a time; it gives an error or 0.
template <class Body>
int in_launches(const CudaAdamWTensor* all, int64_t count, Body body) {
  for (int64_t from = 0; from < count; from += kTensors) {
    Tensors batch{};
    batch.count = int(count - from < kTensors ? count - from : kTensors);
    uint32_t blocks = 0;
    for (int i = 0; i < batch.count; ++i) {
      batch.tensor[i] = all[from + i];
      batch.first_block[i] = blocks;
      blocks += uint32_t(adamw_blocks(all[from + i].count));
    }
    batch.first_block[batch.count] = blocks;
    if (const int error = body(batch, blocks)) return error;
  }
  return 0;
}

// Calls body(tensor, i, n) for this thread's eights of this block's values.
template <class Body>
__device__ void for_eights_of_tensors(const Tensors& batch, Body body) {
  int t = 0;
  while (t + 1 < batch.count && blockIdx.x >= batch.first_block[t + 1]) ++t;
  const CudaAdamWTensor& tensor = batch.tensor[t];
  const int64_t begin = int64_t(blockIdx.x - batch.first_block[t]) * kAdamWBlock;
  for (int64_t i = begin + int64_t(threadIdx.x) * kEight; i < begin + kAdamWBlock; i += kThreads * kEight) {
    const int64_t rest = tensor.count - i;
    if (rest <= 0) break;
    body(tensor, i, int(rest < kEight ? rest : kEight));
  }
}

template <class T>
struct AdamWCall {
  Tensors batch;
  AdamWArgs<T, float> common;
  const float* scale;
};
static_assert(sizeof(AdamWCall<float>) <= 4096);

template <class T, class S>
__global__ void __launch_bounds__(kThreads) adamw_kernel(AdamWCall<T> call) {
  const AdamWArgs<T, float>& a = call.common;
  const float grad_scale = a.grad_scale * (call.scale ? *call.scale : 1.0f);
  for_eights_of_tensors(call.batch, [&](const CudaAdamWTensor& t, int64_t i, int n) {
    float g[kEight], m[kEight], v[kEight], p[kEight];
    T* const param = static_cast<T*>(t.param) + i;
    load8(static_cast<const T*>(t.grad) + i, n, g);
    load8(static_cast<const S*>(t.mean) + i, n, m);
    load8(static_cast<const S*>(t.square) + i, n, v);
    if (t.master)
      load8(t.master + i, n, p);
    else
      load8(param, n, p);
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      g[j] *= grad_scale;
      m[j] = m[j] * a.beta1 + g[j] * a.rest1;
      v[j] = v[j] * a.beta2 + g[j] * g[j] * a.rest2;
      p[j] = p[j] * a.decay - t.step_size * (m[j] / (sqrtf(v[j]) * t.root_factor + a.eps));
    }
    store8(static_cast<S*>(t.mean) + i, n, m);
    store8(static_cast<S*>(t.square) + i, n, v);
    store8(param, n, p);
    if (t.master) store8(t.master + i, n, p);
  });
}

template <class T>
struct SumSquaresCall {
  Tensors batch;
  double* parts;
};

// The sum over a block, in thread 0.
__device__ inline double block_sum_of_doubles(double v) {
  __shared__ double sums[kThreads];
  sums[threadIdx.x] = v;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    sync_block();
    if (int(threadIdx.x) < half) sums[threadIdx.x] += sums[threadIdx.x + half];
  }
  return sums[0];
}

template <class T>
__global__ void __launch_bounds__(kThreads) sum_squares_kernel(SumSquaresCall<T> call) {
  double total = 0;
  for_eights_of_tensors(call.batch, [&](const CudaAdamWTensor& t, int64_t i, int n) {
    float g[kEight], sum = 0.0f;
    load8(static_cast<const T*>(t.grad) + i, n, g);
#pragma unroll
    for (int j = 0; j < kEight; ++j) sum += g[j] * g[j];
    total += double(sum);
  });
  total = block_sum_of_doubles(total);
  if (threadIdx.x == 0) call.parts[blockIdx.x] = total;
}

struct NormCall {
  const double* parts;
  int64_t count;
  float* norm;
};

__global__ void __launch_bounds__(kThreads) norm_kernel(NormCall a) {   // one block
  double total = 0;
  for (int64_t i = threadIdx.x; i < a.count; i += kThreads) total += a.parts[i];
  total = block_sum_of_doubles(total);
  if (threadIdx.x == 0) *a.norm = float(sqrt(total));
}

template <class T>
int adamw(CudaStream on, const CudaAdamWTensor* tensors, int64_t count, const AdamWArgs<T, float>& common,
          bool state_f32, const float* scale) {
  return in_launches(tensors, count, [&](const Tensors& batch, uint32_t blocks) {
    const AdamWCall<T> call{batch, common, scale};
    const auto kernel = state_f32 ? adamw_kernel<T, float> : adamw_kernel<T, T>;
    return launch(kernel, on, dim3(blocks), kThreads, 0, call);
  });
}

template <class T>
int sum_squares(CudaStream on, const CudaAdamWTensor* tensors, int64_t count, double* parts) {
  return in_launches(tensors, count, [&](const Tensors& batch, uint32_t blocks) {
    const SumSquaresCall<T> call{batch, parts};
    parts += blocks;
    return launch(sum_squares_kernel<T>, on, dim3(blocks), kThreads, 0, call);
  });
}

}  // namespace

int norm_of_parts(CudaStream on, const double* parts, int64_t count, float* norm) {
  return launch(norm_kernel, on, dim3(1), kThreads, 0, {parts, count, norm});
}

template <class T>
void fill_adamw(CudaKernels<T>& k) {
  k.adamw = adamw<T>;
  k.sum_squares = sum_squares<T>;
}
template void fill_adamw(CudaKernels<float>&);
template void fill_adamw(CudaKernels<f16>&);
template void fill_adamw(CudaKernels<bf16>&);

}  // namespace fastplm::cuda
