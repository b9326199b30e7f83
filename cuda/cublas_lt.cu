#include "cuda/cublas_lt.h"

#include <dlfcn.h>

#include <array>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>

#include "cuda/act.cuh"
#include "cuda/machine.cuh"
#include "cuda/rows.cuh"

namespace fastplm::cuda {
namespace {

// What is used of cublasLt.h, whose numbers are part of its binary interface in versions 12 and 13.
using Handle = void*;
using Status = int;   // 0: success
constexpr int kCompute32F = 68, kTransposeA = 3, kTransposeB = 4, kEpilogue = 7, kBiasPointer = 8, kEpilogueBias = 4;
constexpr int kMaxWorkspace = 1;
template <class T>
constexpr int kDataType = 0;   // CUDA_R_32F
template <>
constexpr int kDataType<f16> = 2;
template <>
constexpr int kDataType<bf16> = 14;

struct Algorithm {
  uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  Status state;
  float waves;
  int reserved[4];
};

struct Library {
  Status (*create)(Handle*);
  Status (*desc_create)(Handle*, int compute, int scale_type);
  Status (*desc_destroy)(Handle);
  Status (*desc_set)(Handle, int attribute, const void* value, size_t bytes);
  Status (*layout_create)(Handle*, int type, uint64_t rows, uint64_t columns, int64_t ld);
  Status (*layout_destroy)(Handle);
  Status (*preference_create)(Handle*);
  Status (*preference_destroy)(Handle);
  Status (*preference_set)(Handle, int attribute, const void* value, size_t bytes);
  Status (*heuristic)(Handle, Handle desc, Handle a, Handle b, Handle c, Handle d, Handle preference, int wanted,
                      Heuristic* results, int* found);
  Status (*matmul)(Handle, Handle desc, const void* alpha, const void* a, Handle a_layout, const void* b,
                   Handle b_layout, const void* beta, const void* c, Handle c_layout, void* d, Handle d_layout,
                   const Algorithm*, void* workspace, size_t workspace_bytes, cudaStream_t);
  std::string found;
  bool usable = false;

  Library() {
    const char* setting = std::getenv("FASTPLM_CUBLAS");
    if (setting && std::string(setting) == "0") {
      found = "not used: FASTPLM_CUBLAS=0";
      return;
    }
    void* library = nullptr;
    for (const int flags : {RTLD_NOLOAD, 0}) {
      for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12"}) {
        if (!library && (library = dlopen(name, RTLD_LAZY | RTLD_LOCAL | flags))) found = name;
      }
    }
    if (!library) {
      found = "libcublasLt.so.13 and .12 were not found";
      return;
    }
    usable = true;
    const auto bind = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
      usable = usable && function;
    };
    bind(create, "cublasLtCreate");
    bind(desc_create, "cublasLtMatmulDescCreate");
    bind(desc_destroy, "cublasLtMatmulDescDestroy");
    bind(desc_set, "cublasLtMatmulDescSetAttribute");
    bind(layout_create, "cublasLtMatrixLayoutCreate");
    bind(layout_destroy, "cublasLtMatrixLayoutDestroy");
    bind(preference_create, "cublasLtMatmulPreferenceCreate");
    bind(preference_destroy, "cublasLtMatmulPreferenceDestroy");
    bind(preference_set, "cublasLtMatmulPreferenceSetAttribute");
    bind(heuristic, "cublasLtMatmulAlgoGetHeuristic");
    bind(matmul, "cublasLtMatmul");
    if (!usable) found += " lacks functions";
  }
};

const Library& library() {
  static const Library one;
  return one;
}

// A handle of the library that goes with its scope.
class Owned {
 public:
  Owned(Status (*destroy)(Handle)) : destroy_(destroy) {}
  ~Owned() {
    if (handle) destroy_(handle);
  }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  Handle handle = nullptr;

 private:
  Status (*destroy_)(Handle);
};

constexpr int kDevices = 64;

Handle handle_of(int device) {   // null: there can be none
  static std::mutex mutex;
  static std::array<Handle, kDevices> handles{};
  if (device < 0 || device >= kDevices) return nullptr;
  const std::lock_guard lock(mutex);
  Handle& handle = handles[size_t(device)];
  if (!handle && library().create(&handle) != 0) handle = nullptr;
  return handle;
}

// What the library's choice of an algorithm depends on.
using Key = std::array<int64_t, 10>;

template <class T>
struct RoundCall {
  const float* from;
  T* to;
  int64_t count;
};
template <class T>
__global__ void round_kernel(RoundCall<T> a) {
  const int64_t i = int64_t(blockIdx.x) * kRowThreads + threadIdx.x;
  if (i < a.count) a.to[i] = from_float<T>(a.from[i]);
}

template <class T>
struct ActCall {
  const T* x;
  T* y;
  int64_t count;
  Act act;
};
template <class T>
__global__ void __launch_bounds__(kRowThreads) act_kernel(ActCall<T> a) {
  const int64_t i = (int64_t(blockIdx.x) * kRowThreads + threadIdx.x) * kEight;
  if (i >= a.count) return;
  const int n = int(a.count - i < kEight ? a.count - i : kEight);
  float v[kEight];
  load8(a.x + i, n, v);
#pragma unroll
  for (int j = 0; j < kEight; ++j) v[j] = value_and_slope(a.act, v[j]).value;
  store8(a.y + i, n, v);
}

bool is_aligned_for_library(std::initializer_list<const void*> pointers, std::initializer_list<int64_t> row_bytes) {
  for (const void* p : pointers) {
    if (reinterpret_cast<uintptr_t>(p) % 16) return false;
  }
  for (const int64_t bytes : row_bytes) {
    if (bytes % 16) return false;
  }
  return true;
}

}  // namespace

const char* library_in_use() { return library().found.c_str(); }

// The library counts by columns, so it is asked for the transpose: out^T [n, m] = b^T a^T.
template <class T>
bool product_by_library(CudaStream on, const CudaProductArgs<T>& p, int& error) {
  constexpr int64_t kFewest = 1 << 21;   // multiplications: below, one launch of the own kernel is as fast
  const int64_t size = sizeof(T);
  const int64_t a_row = (p.a_transposed ? p.m : p.k) * size, b_row = (p.b_transposed ? p.k : p.n) * size;
  const int64_t out_row = p.n * (p.out_f32 ? 4 : size);
  if (p.m * p.n * p.k < kFewest || (p.act != Act::kNone && p.out_f32)) return false;
  if (!is_aligned_for_library({p.a, p.b, p.out, p.out_f32, p.before, p.workspace}, {a_row, b_row, out_row}))
    return false;
  const Library& lt = library();
  if (!lt.usable) return false;
  const OnDevice guard(on.device);
  if (guard.error() != cudaSuccess) return false;
  const Handle handle = handle_of(on.device);
  if (!handle) return false;

  // The bias is rounded to the result's type, as torch has it, and lies before the library's workspace.
  const int64_t bias_bytes = p.bias && !p.out_f32 ? (p.n * size + 255) / 256 * 256 : 0;
  if (bias_bytes > p.workspace_bytes) return false;
  char* const workspace = static_cast<char*>(p.workspace) + bias_bytes;
  const size_t workspace_bytes = size_t(p.workspace_bytes - bias_bytes);
  const void* const bias = p.out_f32 ? static_cast<const void*>(p.bias) : p.workspace;

  Owned desc(lt.desc_destroy), a_layout(lt.layout_destroy), b_layout(lt.layout_destroy), out_layout(lt.layout_destroy);
  const int out_type = p.out_f32 ? kDataType<float> : kDataType<T>;
  const int first = p.b_transposed, second = p.a_transposed, epilogue = kEpilogueBias;
  Status status = lt.desc_create(&desc.handle, kCompute32F, kDataType<float>);
  status |= lt.desc_set(desc.handle, kTransposeA, &first, sizeof first);
  status |= lt.desc_set(desc.handle, kTransposeB, &second, sizeof second);
  if (p.bias) {
    status |= lt.desc_set(desc.handle, kEpilogue, &epilogue, sizeof epilogue);
    status |= lt.desc_set(desc.handle, kBiasPointer, &bias, sizeof bias);
  }
  const auto layout = [&](Owned& of, int type, int64_t rows, int64_t columns) {  // as stored: rows of `columns` values
    status |= lt.layout_create(&of.handle, type, uint64_t(columns), uint64_t(rows), columns);
  };
  layout(a_layout, kDataType<T>, p.a_transposed ? p.k : p.m, p.a_transposed ? p.m : p.k);
  layout(b_layout, kDataType<T>, p.b_transposed ? p.n : p.k, p.b_transposed ? p.k : p.n);
  layout(out_layout, out_type, p.m, p.n);
  if (status != 0) return false;

  static std::mutex mutex;
  constexpr size_t kMaxKnown = 4096;  // 0.6 MB; where texts are packed, each batch has another m
  static std::map<Key, Heuristic> known;  // state != 0: the library has no way
  const Key key{on.device, kDataType<T>, out_type, first, second, p.bias != nullptr, p.m, p.n, p.k, p.workspace_bytes};
  Heuristic way{};
  {
    const std::lock_guard lock(mutex);
    const auto at = known.find(key);
    if (at != known.end()) {
      way = at->second;
    } else {
      Owned preference(lt.preference_destroy);
      int found = 0;
      status = lt.preference_create(&preference.handle);
      status |= lt.preference_set(preference.handle, kMaxWorkspace, &workspace_bytes, sizeof workspace_bytes);
      if (status == 0) {
        status = lt.heuristic(handle, desc.handle, b_layout.handle, a_layout.handle, out_layout.handle,
                              out_layout.handle, preference.handle, 1, &way, &found);
      }
      if (status != 0 || found == 0) way.state = 1;
      if (known.size() == kMaxKnown) known.clear();
      known.emplace(key, way);
    }
  }
  if (way.state != 0) return false;

  if (bias_bytes) {
    const RoundCall<T> call{p.bias, static_cast<T*>(p.workspace), p.n};
    error = launch(round_kernel<T>, on, dim3(unsigned((p.n + kRowThreads - 1) / kRowThreads)), kRowThreads, 0, call);
    if (error) return true;
  }
  T* const linear = p.before ? p.before : p.out;
  void* const out = p.out_f32 ? static_cast<void*>(p.out_f32) : linear;
  const float one = 1.0f, beta = p.accumulate ? 1.0f : 0.0f;
  status = lt.matmul(handle, desc.handle, &one, p.b, b_layout.handle, p.a, a_layout.handle, &beta, out,
                     out_layout.handle, out, out_layout.handle, &way.algorithm, workspace, workspace_bytes,
                     reinterpret_cast<cudaStream_t>(on.stream));
  if (status != 0) {
    error = cudaErrorUnknown;
  } else if (!p.out_f32 && (p.act != Act::kNone || linear != p.out)) {
    const int64_t per_block = kRowThreads * kEight, count = p.m * p.n;
    error = launch(act_kernel<T>, on, dim3(unsigned((count + per_block - 1) / per_block)), kRowThreads, 0,
                   {linear, p.out, count, p.act});
  }
  return true;
}
template bool product_by_library(CudaStream, const CudaProductArgs<float>&, int&);
template bool product_by_library(CudaStream, const CudaProductArgs<f16>&, int&);
template bool product_by_library(CudaStream, const CudaProductArgs<bf16>&, int&);

}  // namespace fastplm::cuda
