// The door to libfastplm_cuda.so, which is opened at first use and never linked: one build serves machines
// with and without a GPU.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/export.h"
#include "core/tensor.h"
#include "cuda/table.h"

namespace fastplm::ops {

struct CudaDevice {
  std::string name;
  int major, minor;   // compute capability
  int64_t memory_bytes;
};

struct CudaStatus {
  std::vector<CudaDevice> devices;
  std::string reason;    // why there are none, in words; empty if there are some
  std::string product;   // where cuBLASLt was found, or why it is not used; empty without devices
};

FASTPLM_EXPORT CudaStatus cuda_status();

// Throws kUnsupported with the reason where there is none, and in a process that was forked after CUDA was used.
const CudaTable& cuda_table(const char* op);

// Throws kInternal for an error of the CUDA runtime; 0 is none.
void check_cuda(const char* op, int error);

// What this thread's operations on CUDA tensors run on; at first the default stream of device 0. Whoever calls an
// operation sets it to where the tensors are.
FASTPLM_EXPORT void set_cuda_device(int index);
FASTPLM_EXPORT void set_cuda_stream(Stream stream);
CudaStream cuda_stream();

}  // namespace fastplm::ops

namespace fastplm {
inline bool on_cuda(const TensorView& t) { return t.device == Device::kCuda; }
}  // namespace fastplm
