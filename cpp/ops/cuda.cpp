#include "ops/cuda.h"

#include <dlfcn.h>

#include <array>

#include "cuda/device.h"

namespace fastplm::ops {

// The library lies beside this one.
static void* open_library(std::string& reason) {
  Dl_info self;
  if (!dladdr(reinterpret_cast<void*>(&open_library), &self) || !self.dli_fname) {
    reason = "the folder of libfastplm.so is unknown";
    return nullptr;
  }
  std::string path = self.dli_fname;
  path = path.substr(0, path.rfind('/') + 1) + "libfastplm_cuda.so";
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) reason = std::string("built without CUDA, or its library cannot be opened: ") + dlerror();
  return library;
}

CudaStatus cuda_status() {
  CudaStatus status;
  static std::string open_reason;
  static void* library = open_library(open_reason);
  if (!library) {
    status.reason = open_reason;
    return status;
  }
  const auto list = reinterpret_cast<decltype(&fastplm_cuda_devices)>(dlsym(library, "fastplm_cuda_devices"));
  if (!list) {
    status.reason = "libfastplm_cuda.so belongs to another version";
    return status;
  }
  std::array<FastplmCudaDevice, 16> devices;
  std::array<char, 256> reason{};
  const int count = list(devices.data(), int(devices.size()), reason.data(), int(reason.size()));
  if (count < 0) status.reason = reason.data();
  else if (count == 0) status.reason = "no CUDA device was found";
  for (int i = 0; i < count && i < int(devices.size()); ++i) {
    const FastplmCudaDevice& d = devices[size_t(i)];
    status.devices.push_back({d.name, d.major, d.minor, d.memory_bytes});
  }
  return status;
}

}  // namespace fastplm::ops
