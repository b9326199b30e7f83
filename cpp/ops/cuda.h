// The door to libfastplm_cuda.so, which is opened at first use and never linked: one build serves machines
// with and without a GPU.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/export.h"

namespace fastplm::ops {

struct CudaDevice {
  std::string name;
  int major, minor;   // compute capability
  int64_t memory_bytes;
};

struct CudaStatus {
  std::vector<CudaDevice> devices;
  std::string reason;   // why there are none, in words; empty if there are some
};

FASTPLM_EXPORT CudaStatus cuda_status();

}  // namespace fastplm::ops
