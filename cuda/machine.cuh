// What CUDA kernels need of the machine: launches, and the instructions that C++ has no words for. Only this file knows
// PTX; tests/cuda/emulation has a copy of these functions that runs kernels on the CPU.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>

#include "core/dtype.h"
#include "cuda/table.h"

namespace fastplm::cuda {

// Makes a device current, and the one before it again.
class OnDevice {
 public:
  explicit OnDevice(int device) {
    error_ = cudaGetDevice(&before_);
    if (error_ == cudaSuccess && before_ != device) {
      error_ = cudaSetDevice(device);
      changed_ = error_ == cudaSuccess;
    }
  }
  ~OnDevice() {
    if (changed_) cudaSetDevice(before_);
  }
  OnDevice(const OnDevice&) = delete;
  OnDevice& operator=(const OnDevice&) = delete;
  cudaError_t error() const { return error_; }

 private:
  int before_ = 0;
  bool changed_ = false;
  cudaError_t error_;
};

// Runs kernel(args) in `grid` blocks of `threads` with that many bytes of dynamic shared memory; nothing for no blocks.
template <class Args>
int launch(void (*kernel)(Args), CudaStream on, dim3 grid, int threads, int shared_bytes, const Args& args) {
  if (grid.x == 0 || grid.y == 0) return 0;
  const OnDevice guard(on.device);
  if (guard.error() != cudaSuccess) return guard.error();
  if (shared_bytes > 48 << 10) {  // more has to be asked for
    const cudaError_t error = cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel),
                                                   cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
    if (error != cudaSuccess) return error;
  }
  kernel<<<grid, threads, size_t(shared_bytes), reinterpret_cast<cudaStream_t>(on.stream)>>>(args);
  return cudaGetLastError();
}

__device__ inline char* shared_memory() {  // of the launch, 128-byte aligned
  extern __shared__ __align__(128) char memory[];
  return memory;
}

// The value that another lane of the warp has; all 32 lanes take part.
template <class V>
__device__ V of_lane(V v, int lane) {
  return __shfl_sync(~0u, v, lane);
}
template <class V>
__device__ V of_partner(V v, int distance) {  // lane ^ distance
  return __shfl_xor_sync(~0u, v, distance);
}
__device__ inline uint32_t lanes_where(bool v) { return __ballot_sync(~0u, v); }
template <class V>
__device__ V of_lane_before(V v, int distance) {  // lane - distance, or its own
  return __shfl_up_sync(~0u, v, unsigned(distance));
}
__device__ inline void sync_block() { __syncthreads(); }
__device__ inline void sync_warp() { __syncwarp(); }

__device__ inline float half_to_float(uint16_t bits) {
  float v;
  asm("cvt.f32.f16 %0, %1;" : "=f"(v) : "h"(bits));
  return v;
}
__device__ inline uint16_t float_to_half(float v) {
  uint16_t bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(v));
  return bits;
}

__device__ inline uint32_t shared_address(const void* p) { return uint32_t(__cvta_generic_to_shared(p)); }

// Four 8 x 8 matrices of 16-bit values; lane 8 i + r names row r of matrix i, 16 bytes of shared memory. Lane t gets of
// each matrix the values 2 (t % 4) and 2 (t % 4) + 1 of row t / 4; transposed: of column t / 4.
__device__ inline void load_matrices(const void* row, bool transposed, uint32_t (&r)[4]) {
  if (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

// c [16, 8] += a [16, 16] b [16, 8] in f32, with the fragments of PTX's mma.m16n8k16: lane t has of c the values
// (t / 4, 2 (t % 4) + {0, 1}) and those 8 rows below; of a, in pairs along k, (t / 4, 2 (t % 4)), 8 rows below, then
// both 8 further along k; of b (2 (t % 4), t / 4) and 8 further along k.
template <class T>
__device__ void multiply_fragments(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1);
template <>
__device__ inline void multiply_fragments<bf16>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
template <>
__device__ inline void multiply_fragments<f16>(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Copies 16 bytes from global to shared memory, both 16-byte aligned, in the background.
__device__ inline void copy_in_background(void* to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");
}
// Ends a group of such copies.
__device__ inline void end_of_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most kPending of this thread's groups are under way. Other threads see them after sync_block().
template <int kPending>
__device__ void wait_for_groups() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace fastplm::cuda
