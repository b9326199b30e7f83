// The few words of the CUDA runtime that cuda/ uses, for a C++ compiler without CUDA. There is one device, the CPU.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __noinline__
#define __launch_bounds__(...)
#define __shared__ static   // blocks run one after the other

struct dim3 {
  unsigned x, y, z;
  constexpr explicit dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
extern dim3 threadIdx, blockIdx;   // of the thread that runs now

using cudaError_t = int;
using cudaStream_t = void*;
constexpr int cudaSuccess = 0, cudaErrorUnknown = 999;

struct cudaDeviceProp {
  char name[256];
  int major, minor;
  size_t totalGlobalMem;
};
inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  std::snprintf(p->name, sizeof p->name, "the CPU, emulating");
  p->major = 8;
  p->minor = 0;
  p->totalGlobalMem = 0;
  return cudaSuccess;
}
inline const char* cudaGetErrorString(cudaError_t) { return "an emulated error"; }
inline int __ffs(int v) { return __builtin_ffs(v); }
