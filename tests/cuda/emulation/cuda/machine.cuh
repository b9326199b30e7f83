// Runs kernels on the CPU: the functions of cuda/machine.cuh, with a fiber for each thread of a block. Threads run in
// an order that changes, so that a missing barrier shows; a barrier that not all reach, a warp's instruction without
// all its lanes, misaligned addresses and copies that nobody waited for end the process or spoil the result.
#pragma once
#include <cuda_runtime.h>

#include <cstdlib>
#include <functional>
#include <vector>

#include "core/dtype.h"
#include "cuda/table.h"

namespace fastplm::cuda {

class OnDevice {
 public:
  explicit OnDevice(int) {}
  cudaError_t error() const { return cudaSuccess; }
};

namespace emulated {

void run(dim3 grid, int threads, int shared_bytes, const std::function<void()>& thread);

[[noreturn]] void give_up(const char* why);
char* shared_memory();
void sync_block();
// Publishes words of this lane under a name, waits for the warp's other lanes, calls use(words of all lanes).
constexpr int kWords = 6;
using Words = uint64_t[kWords];
void with_warp(const char* name, const Words& mine, const std::function<void(const Words* all)>& use);

void copy_later(void* to, const void* from);
void end_of_group();
void wait_for_groups(int pending);

}  // namespace emulated

template <class Args>
int launch(void (*kernel)(Args), CudaStream, dim3 grid, int threads, int shared_bytes, const Args& args) {
  emulated::run(grid, threads, shared_bytes, [&] { kernel(args); });
  return 0;
}

inline char* shared_memory() { return emulated::shared_memory(); }
inline void sync_block() { emulated::sync_block(); }
inline void sync_warp() {
  emulated::with_warp("sync", {}, [](const emulated::Words*) {});
}

inline int lane_of_thread() { return int(threadIdx.x % 32); }

template <class V>
V of_lane(V v, int lane) {
  static_assert(sizeof(V) <= 8);
  emulated::Words mine{};
  std::memcpy(mine, &v, sizeof v);
  emulated::with_warp("of_lane", mine, [&](const emulated::Words* all) { std::memcpy(&v, all[lane], sizeof v); });
  return v;
}
template <class V>
V of_partner(V v, int distance) {
  return of_lane(v, lane_of_thread() ^ distance);
}
template <class V>
V of_lane_before(V v, int distance) {
  return of_lane(v, lane_of_thread() >= distance ? lane_of_thread() - distance : lane_of_thread());
}
inline uint32_t lanes_where(bool v) {
  uint32_t bits = 0;
  emulated::with_warp("lanes_where", {v}, [&](const emulated::Words* all) {
    for (int i = 0; i < 32; ++i) bits |= uint32_t(all[i][0]) << i;
  });
  return bits;
}

inline float half_to_float(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float sign = bits >> 15 ? -1.0f : 1.0f;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  return sign * (exponent ? std::ldexp(float(fraction + 1024), exponent - 25) : std::ldexp(float(fraction), -24));
}
inline uint16_t float_to_half(float v) {
  const uint16_t sign = std::signbit(v) ? 0x8000 : 0;
  if (std::isnan(v)) return sign | 0x7e00;
  const float size = std::fabs(v);
  if (size >= 65520.0f) return sign | 0x7c00;
  if (size < 0x1p-14f) return uint16_t(sign | int(std::nearbyint(size * 0x1p24f)));
  int exponent;
  const float part = std::frexp(size, &exponent);   // [0.5, 1)
  return uint16_t(sign + ((exponent + 13) << 10) + int(std::nearbyint(part * 2048)));
}

inline void load_matrices(const void* row, bool transposed, uint32_t (&r)[4]) {
  if (reinterpret_cast<uintptr_t>(row) % 16) emulated::give_up("load_matrices: a row is not 16-byte aligned");
  emulated::with_warp("load_matrices", {uint64_t(row), transposed}, [&](const emulated::Words* all) {
    const int i = lane_of_thread() / 4, j = lane_of_thread() % 4 * 2;
    for (int m = 0; m < 4; ++m) {
      const auto value = [&](int row, int column) {
        return uint32_t(reinterpret_cast<const uint16_t*>(all[8 * m + row][0])[column]);
      };
      r[m] = transposed ? value(j, i) | value(j + 1, i) << 16 : value(i, j) | value(i, j + 1) << 16;
    }
  });
}

template <class T>
void multiply_fragments(float (&c)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  emulated::with_warp("multiply_fragments", {a[0], a[1], a[2], a[3], b0, b1}, [&](const emulated::Words* all) {
    const auto value = [](uint64_t word, int which) {
      const auto bits = uint16_t(word >> 16 * which);
      float v;
      if constexpr (std::is_same_v<T, f16>) {
        v = half_to_float(bits);
      } else {
        const uint32_t wide = uint32_t(bits) << 16;
        std::memcpy(&v, &wide, 4);
      }
      return v;
    };
    for (int e = 0; e < 4; ++e) {
      const int row = lane_of_thread() / 4, column = lane_of_thread() % 4 * 2 + e % 2;
      for (int k = 0; k < 16; ++k) {
        const float left = value(all[row * 4 + k % 8 / 2][e / 2 + k / 8 * 2], k % 2);
        c[e] += left * value(all[column * 4 + k % 8 / 2][4 + k / 8], k % 2);
      }
    }
  });
}

inline void copy_in_background(void* to, const void* from) { emulated::copy_later(to, from); }
inline void end_of_group() { emulated::end_of_group(); }
template <int kPending>
void wait_for_groups() {
  emulated::wait_for_groups(kPending);
}

}  // namespace fastplm::cuda
