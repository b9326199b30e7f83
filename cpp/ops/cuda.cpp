#include "ops/cuda.h"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include "core/error.h"

namespace fastplm::ops {
namespace {

thread_local CudaStream current{};

// The library lies beside this one.
const CudaTable* open_table(std::string& reason) {
  Dl_info self;
  if (!dladdr(reinterpret_cast<void*>(&open_table), &self) || !self.dli_fname) {
    reason = "the folder of libfastplm.so is unknown";
    return nullptr;
  }
  std::string path = self.dli_fname;
  path = path.substr(0, path.rfind('/') + 1) + "libfastplm_cuda.so";
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    reason = std::string("built without CUDA, or its library cannot be opened: ") + dlerror();
    return nullptr;
  }
  const auto find = reinterpret_cast<decltype(&fastplm_cuda_table)>(dlsym(library, "fastplm_cuda_table"));
  const CudaTable* table = find ? find() : nullptr;
  if (!table || table->layout != FASTPLM_CUDA_LAYOUT) {
    reason = path + " is of another build; expected the one that libfastplm.so was built with";
    return nullptr;
  }
  return table;
}

// libfastplm_cuda.so reads it too, and cannot throw.
void check_setting() {
  const char* setting = std::getenv("FASTPLM_CUBLAS");
  const std::string_view value = setting ? setting : "";
  if (value.empty() || value == "0" || value == "1") return;
  fail(ErrorKind::kValue, "FASTPLM_CUBLAS=", value, ": there is no such choice; known: 0 1");
}

struct Door {
  std::string reason;
  const CudaTable* table;
  Door() {
    check_setting();
    table = open_table(reason);
  }
};
const Door& door() {
  static const Door one;
  return one;
}

}  // namespace

CudaStatus cuda_status() {
  CudaStatus status;
  if (!door().table) {
    status.reason = door().reason;
    return status;
  }
  std::array<CudaDeviceInfo, 16> devices;
  std::array<char, 256> reason{};
  const int count = door().table->devices(devices.data(), int(devices.size()), reason.data(), int(reason.size()));
  if (count < 0)
    status.reason = reason.data();
  else if (count == 0)
    status.reason = "no CUDA device was found";
  for (int i = 0; i < count && i < int(devices.size()); ++i) {
    const CudaDeviceInfo& d = devices[size_t(i)];
    status.devices.push_back({d.name, d.major, d.minor, d.memory_bytes});
  }
  if (count > 0) status.product = door().table->product_library();
  return status;
}

const CudaTable& cuda_table(const char* op) {
  if (!door().table) fail(ErrorKind::kUnsupported, op, ": a tensor is on CUDA: ", door().reason);
  static std::atomic<pid_t> user{0};   // CUDA does not survive a fork
  pid_t first = 0;
  if (!user.compare_exchange_strong(first, getpid()) && first != getpid()) {
    fail(ErrorKind::kUnsupported, op, ": CUDA was used before this process was forked; expected it to be spawned");
  }
  return *door().table;
}

void check_cuda(const char* op, int error) {
  if (error) fail(ErrorKind::kInternal, op, ": CUDA says: ", door().table->error_text(error));
}

void set_cuda_device(int index) { current.device = index; }
void set_cuda_stream(Stream stream) { current.stream = stream; }
CudaStream cuda_stream() { return current; }

}  // namespace fastplm::ops
