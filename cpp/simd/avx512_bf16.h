// AVX-512 with the BF16 instructions (Zen 4 and newer; Cooper Lake, Sapphire Rapids and newer).
#pragma once
#include "simd/avx512_core.h"

namespace fastplm::FASTPLM_ISA {

FASTPLM_INLINE __m256i to_bf16(__m512 a) { return (__m256i)_mm512_cvtneps_pbh(a); }
FASTPLM_INLINE void store(bf16* p, F32 a) { _mm256_storeu_si256((__m256i*)p, to_bf16(a.v)); }
FASTPLM_INLINE void store(bf16* p, F32 a, int n) { _mm256_mask_storeu_epi16(p, first(n), to_bf16(a.v)); }

FASTPLM_INLINE F32 dot(Pair a, Pair b, F32 c) {   // c + a0*b0 + a1*b1
  return {_mm512_dpbf16_ps(c.v, (__m512bh)a.v, (__m512bh)b.v)};
}

// Products of int8: how a value of a row is held and what is added to it, how many go into a lane. VPDPBUSD takes rows
// without a sign and does not saturate.
using Int8Row = uint8_t;
constexpr int kInt8Offset = 128, kInt8Step = 4;
FASTPLM_INLINE Int8s load_int8s(const int8_t* p) { return {_mm512_loadu_si512(p)}; }
FASTPLM_INLINE Int8s broadcast_int8s(const Int8Row* p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return {_mm512_set1_epi32(bits)};
}
FASTPLM_INLINE I32 dot(Int8s row, Int8s panel, I32 c) { return {_mm512_dpbusd_epi32(c.v, row.v, panel.v)}; }

// Int4Sums holds the sums of eight such products.
FASTPLM_INLINE Int4Sums dot(Int4s panel, Int8Quad row, Int4Sums c) {
  return {_mm512_dpbusd_epi32(c.v, panel.v, row.v)};
}
FASTPLM_INLINE I32 whole(Int4Sums a) { return {a.v}; }

constexpr bool kFastBf16 = true;   // products of bf16 take less time than those of f32

}  // namespace fastplm::FASTPLM_ISA
