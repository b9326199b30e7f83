// Values of tensors as floats: one at a time, or eight that follow each other.
#pragma once
#include "cuda/machine.cuh"

namespace fastplm::cuda {

constexpr float kLog2E = 1.44269504088896341f;

__device__ inline float bits_as_float(uint32_t bits) {
  float v;
  memcpy(&v, &bits, 4);
  return v;
}
__device__ inline uint32_t float_as_bits(float v) {
  uint32_t bits;
  memcpy(&bits, &v, 4);
  return bits;
}

__device__ inline float to_float(float v) { return v; }
__device__ inline float to_float(f16 v) { return half_to_float(v.bits); }
__device__ inline float to_float(bf16 v) { return bits_as_float(uint32_t(v.bits) << 16); }

template <class T>
__device__ T from_float(float v);
template <>
__device__ inline float from_float<float>(float v) {
  return v;
}
template <>
__device__ inline f16 from_float<f16>(float v) {
  return {float_to_half(v)};
}
template <>
__device__ inline bf16 from_float<bf16>(float v) {   // to nearest even; NaN stays one
  const uint32_t bits = float_as_bits(v);
  if (!(v == v)) return {uint16_t(bits >> 16 | 0x40)};
  return {uint16_t((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

// What one thread moves at a time: memory that is read in order wants 16 bytes of each.
constexpr int kEight = 8;

template <class T>
struct alignas(16) Pack {
  T v[16 / sizeof(T)];
};

template <class T>
__device__ bool is_aligned(const T* p) {
  return reinterpret_cast<uintptr_t>(p) % 16 == 0;
}

// n of the eight values at p, the others 0.
template <class T>
__device__ void load8(const T* p, int n, float (&v)[kEight]) {
  constexpr int kPack = 16 / sizeof(T);
  if (n >= kEight && is_aligned(p)) {
#pragma unroll
    for (int i = 0; i < kEight; i += kPack) {
      const Pack<T> pack = *reinterpret_cast<const Pack<T>*>(p + i);
#pragma unroll
      for (int j = 0; j < kPack; ++j) v[i + j] = to_float(pack.v[j]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < kEight; ++i) v[i] = i < n ? to_float(p[i]) : 0.0f;
  }
}

template <class T>
__device__ void store8(T* p, int n, const float (&v)[kEight]) {
  constexpr int kPack = 16 / sizeof(T);
  if (n >= kEight && is_aligned(p)) {
#pragma unroll
    for (int i = 0; i < kEight; i += kPack) {
      Pack<T> pack;
#pragma unroll
      for (int j = 0; j < kPack; ++j) pack.v[j] = from_float<T>(v[i + j]);
      *reinterpret_cast<Pack<T>*>(p + i) = pack;
    }
  } else {
#pragma unroll
    for (int i = 0; i < kEight; ++i) {
      if (i < n) p[i] = from_float<T>(v[i]);
    }
  }
}

// What a value becomes when it is stored.
template <class T>
__device__ float stored(float v) {
  return to_float(from_float<T>(v));
}

}  // namespace fastplm::cuda
