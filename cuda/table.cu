#include "cuda/table.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>

#include "cuda/cublas_lt.h"
#include "cuda/kernels.cuh"

namespace fastplm::cuda {

int norm_of_parts(CudaStream on, const double* parts, int64_t count, float* norm);

namespace {

int devices(CudaDeviceInfo* found, int capacity, char* reason, int reason_bytes) {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    std::snprintf(reason, size_t(reason_bytes), "%s", cudaGetErrorString(error));
    return -1;
  }
  for (int i = 0; i < std::min(count, capacity); ++i) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) return i;
    std::snprintf(found[i].name, sizeof found[i].name, "%s", properties.name);
    found[i].major = properties.major;
    found[i].minor = properties.minor;
    found[i].memory_bytes = int64_t(properties.totalGlobalMem);
  }
  return count;
}

template <class T>
void fill(CudaKernels<T>& k) {
  fill_add_norm(k);
  fill_adamw(k);
  fill_flash(k);
  fill_flash_grad(k);
  fill_gated(k);
  fill_loss(k);
  fill_product(k);
  fill_rows(k);
}

CudaTable made() {
  CudaTable table{};
  table.layout = FASTPLM_CUDA_LAYOUT;
  table.devices = devices;
  table.error_text = [](int error) { return cudaGetErrorString(cudaError_t(error)); };
  table.product_library = library_in_use;
  table.norm_of_parts = norm_of_parts;
  fill(table.f32);
  fill(table.half);
  fill(table.bf);
  return table;
}

}  // namespace
}  // namespace fastplm::cuda

const fastplm::CudaTable* fastplm_cuda_table() {
  static const fastplm::CudaTable table = fastplm::cuda::made();
  return &table;
}
