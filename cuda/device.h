// What libfastplm_cuda.so says about the machine's GPUs. Plain C, so that it can be found by name with dlsym.
#pragma once
#include <cstdint>

extern "C" {

struct FastplmCudaDevice {
  char name[256];
  int32_t major, minor;      // compute capability
  int64_t memory_bytes;
};

// Writes up to `capacity` devices and returns how many there are; or returns -1 and writes the reason.
__attribute__((visibility("default"))) int fastplm_cuda_devices(FastplmCudaDevice* devices, int capacity, char* reason,
                                                                int reason_bytes);

}
