// AVX-512 without bf16 instructions.
#pragma once
#include "simd/avx512_core.h"

namespace fastplm::FASTPLM_ISA {

FASTPLM_INLINE __m256i to_bf16(__m512 a) {   // to nearest even; NaN stays NaN
  const __m512i u = _mm512_castps_si512(a), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_srli_epi32(_mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __m512i quiet = _mm512_or_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(0x40));
  return _mm512_cvtepi32_epi16(_mm512_mask_blend_epi32(_mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), rounded, quiet));
}
FASTPLM_INLINE void store(bf16* p, F32 a) { _mm256_storeu_si256((__m256i*)p, to_bf16(a.v)); }
FASTPLM_INLINE void store(bf16* p, F32 a, int n) { _mm256_mask_storeu_epi16(p, first(n), to_bf16(a.v)); }

FASTPLM_INLINE __m512 low_of(Pair a) { return _mm512_castsi512_ps(_mm512_slli_epi32(a.v, 16)); }
FASTPLM_INLINE __m512 high_of(Pair a) {
  return _mm512_castsi512_ps(_mm512_and_si512(a.v, _mm512_set1_epi32(int(0xffff0000))));
}
FASTPLM_INLINE F32 dot(Pair a, Pair b, F32 c) {   // c + a0*b0 + a1*b1
  return {_mm512_fmadd_ps(high_of(a), high_of(b), _mm512_fmadd_ps(low_of(a), low_of(b), c.v))};
}

// Products of int8: how a value of a row is held and what is added to it, how many go into a lane. As 16 bits:
// VPMADDUBSW would saturate.
using Int8Row = int16_t;
constexpr int kInt8Offset = 0, kInt8Step = 2;
FASTPLM_INLINE Int8s load_int8s(const int8_t* p) {
  return {_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)p))};
}
FASTPLM_INLINE Int8s broadcast_int8s(const Int8Row* p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return {_mm512_set1_epi32(bits)};
}
FASTPLM_INLINE I32 dot(Int8s row, Int8s panel, I32 c) {   // exact
  return {_mm512_add_epi32(c.v, _mm512_madd_epi16(row.v, panel.v))};
}

// Int4Sums holds the sums of eight such products, in 16 bits: 8 * 2 * 15 * 127 < 2^15.
FASTPLM_INLINE Int4Sums dot(Int4s panel, Int8Quad row, Int4Sums c) {   // exact
  return {_mm512_add_epi16(c.v, _mm512_maddubs_epi16(panel.v, row.v))};
}
FASTPLM_INLINE I32 whole(Int4Sums a) { return {_mm512_madd_epi16(a.v, _mm512_set1_epi16(1))}; }

constexpr bool kFastBf16 = false;   // products of bf16 take less time than those of f32

}  // namespace fastplm::FASTPLM_ISA
