#include "cuda/device.h"

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdio>

int fastplm_cuda_devices(FastplmCudaDevice* devices, int capacity, char* reason, int reason_bytes) {
  int count = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&count); error != cudaSuccess) {
    std::snprintf(reason, size_t(reason_bytes), "%s", cudaGetErrorString(error));
    return -1;
  }
  for (int i = 0; i < std::min(count, capacity); ++i) {
    cudaDeviceProp properties;
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) return i;
    std::snprintf(devices[i].name, sizeof devices[i].name, "%s", properties.name);
    devices[i].major = properties.major;
    devices[i].minor = properties.minor;
    devices[i].memory_bytes = int64_t(properties.totalGlobalMem);
  }
  return count;
}
