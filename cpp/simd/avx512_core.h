// Sixteen lanes: what the three AVX-512 levels share. AVX-512 F, BW, VL and DQ (Skylake-X, Zen 4 and newer).
#pragma once
#include <immintrin.h>

#include "core/dtype.h"
#include "core/words.h"

#define FASTPLM_INLINE static inline __attribute__((always_inline))

namespace fastplm::FASTPLM_ISA {

struct F32 {
  static constexpr int kLanes = 16;
  __m512 v;
  FASTPLM_INLINE F32 zero() { return {_mm512_setzero_ps()}; }
  FASTPLM_INLINE F32 set1(float x) { return {_mm512_set1_ps(x)}; }
};

FASTPLM_INLINE __mmask16 first(int n) { return __mmask16((1u << n) - 1); }
FASTPLM_INLINE F32 from_bf16(__m256i h) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16))};
}

FASTPLM_INLINE F32 load(const float* p) { return {_mm512_loadu_ps(p)}; }
FASTPLM_INLINE F32 load(const bf16* p) { return from_bf16(_mm256_loadu_si256((const __m256i*)p)); }
FASTPLM_INLINE F32 load(const f16* p) { return {_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p))}; }
FASTPLM_INLINE F32 load(const float* p, int n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
FASTPLM_INLINE F32 load(const bf16* p, int n) { return from_bf16(_mm256_maskz_loadu_epi16(first(n), p)); }
FASTPLM_INLINE F32 load(const f16* p, int n) { return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p))}; }
FASTPLM_INLINE void store(float* p, F32 a) { _mm512_storeu_ps(p, a.v); }
FASTPLM_INLINE void store(f16* p, F32 a) {
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
FASTPLM_INLINE void store(float* p, F32 a, int n) { _mm512_mask_storeu_ps(p, first(n), a.v); }

FASTPLM_INLINE F32 operator+(F32 a, F32 b) { return {_mm512_add_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 operator-(F32 a, F32 b) { return {_mm512_sub_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 operator*(F32 a, F32 b) { return {_mm512_mul_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 operator/(F32 a, F32 b) { return {_mm512_div_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 fma(F32 a, F32 b, F32 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
FASTPLM_INLINE F32 max(F32 a, F32 b) { return {_mm512_max_ps(a.v, b.v)}; }   // b if either is NaN
FASTPLM_INLINE F32 min(F32 a, F32 b) { return {_mm512_min_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 round(F32 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
FASTPLM_INLINE F32 scale2(F32 a, F32 n) { return {_mm512_scalef_ps(a.v, n.v)}; }   // a * 2^n
FASTPLM_INLINE float sum(F32 a) { return _mm512_reduce_add_ps(a.v); }
FASTPLM_INLINE float largest(F32 a) { return _mm512_reduce_max_ps(a.v); }
FASTPLM_INLINE float sqrt(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

FASTPLM_INLINE F32 sqrt(F32 a) { return {_mm512_sqrt_ps(a.v)}; }

// v where a > b, else 0.
FASTPLM_INLINE F32 above(F32 a, F32 b, F32 v) {
  return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ), v.v)};
}

struct U32 {   // kLanes integers, modulo 2^32
  __m512i v;
  FASTPLM_INLINE U32 set1(uint32_t x) { return {_mm512_set1_epi32(int(x))}; }
  FASTPLM_INLINE U32 from(uint32_t x) {   // x, x + 1, x + 2, ...
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return {_mm512_add_epi32(_mm512_set1_epi32(int(x)), lane)};
  }
};
FASTPLM_INLINE U32 operator^(U32 a, U32 b) { return {_mm512_xor_si512(a.v, b.v)}; }
FASTPLM_INLINE U32 multiply(U32 a, uint32_t b, U32& high) {   // the product's low half
  const __m512i factor = _mm512_set1_epi32(int(b));
  const __m512i even = _mm512_mul_epu32(a.v, factor), odd = _mm512_mul_epu32(_mm512_srli_epi64(a.v, 32), factor);
  high = {_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd)};
  return {_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32))};
}
FASTPLM_INLINE F32 low_half(U32 a) { return {_mm512_cvtepi32_ps(_mm512_and_si512(a.v, _mm512_set1_epi32(0xffff)))}; }
FASTPLM_INLINE F32 high_half(U32 a) { return {_mm512_cvtepi32_ps(_mm512_srli_epi32(a.v, 16))}; }

FASTPLM_INLINE void transpose(F32* r) {   // kLanes x kLanes, in place
  __m512 a[16], b[16];
#pragma GCC unroll 8
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_ps(r[i].v, r[i + 1].v);
    a[i + 1] = _mm512_unpackhi_ps(r[i].v, r[i + 1].v);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm512_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm512_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    a[i] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0x88);
    a[i + 4] = _mm512_shuffle_f32x4(b[i], b[i + 4], 0xdd);
    a[i + 8] = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0x88);
    a[i + 12] = _mm512_shuffle_f32x4(b[i + 8], b[i + 12], 0xdd);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    r[i].v = _mm512_shuffle_f32x4(a[i], a[i + 8], 0x88);
    r[i + 8].v = _mm512_shuffle_f32x4(a[i], a[i + 8], 0xdd);
  }
}

struct Bytes {   // kCount bytes; what is said of each is a bit of the result, the first byte's the lowest
  static constexpr int kCount = 64;
  __m512i v;
};
FASTPLM_INLINE Bytes load_bytes(const char* p) { return {_mm512_loadu_si512(p)}; }
FASTPLM_INLINE Bytes operator|(Bytes a, char c) { return {_mm512_or_si512(a.v, _mm512_set1_epi8(c))}; }
FASTPLM_INLINE uint64_t not_ascii(Bytes a) { return _mm512_movepi8_mask(a.v); }
FASTPLM_INLINE uint64_t between(Bytes a, char low, char high) {
  return _mm512_cmple_epu8_mask(_mm512_sub_epi8(a.v, _mm512_set1_epi8(low)), _mm512_set1_epi8(char(high - low)));
}

// Four words, of which each has 16 bytes that may be read.
constexpr int kWordGroup = 4;
FASTPLM_INLINE void load_words(const char* text, const uint32_t* bounds, WordKey* keys) {
  const __m128i begins = _mm_loadu_si128((const __m128i*)bounds), ends = _mm_loadu_si128((const __m128i*)(bounds + 1));
  const __m128i size = _mm_min_epu32(_mm_sub_epi32(ends, begins), _mm_set1_epi32(15));
  const auto load = [&](int i) { return _mm_loadu_si128((const __m128i*)(text + bounds[i])); };
  const __m256i first = _mm256_inserti128_si256(_mm256_castsi128_si256(load(0)), load(1), 1),
                second = _mm256_inserti128_si256(_mm256_castsi128_si256(load(2)), load(3), 1);
  const __m512i bytes = _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
  constexpr int64_t kFour = 0x0404040404040404;
  const __m512i lane = _mm512_set_epi64(3 * kFour, 3 * kFour, 2 * kFour, 2 * kFour, kFour, kFour, 0, 0);
  const __m512i sizes = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(size), lane);   // in each 16 bytes its word's
  const __m512i place = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  constexpr __mmask64 kSizes = 0x8000800080008000;
  const __m512i words = _mm512_maskz_mov_epi8(_mm512_cmplt_epu8_mask(place, sizes), bytes);
  _mm512_storeu_si512(keys, _mm512_mask_mov_epi8(words, kSizes, sizes));
}
// The same for one of which nothing more may be read.
FASTPLM_INLINE void load_last_word(const char* text, const uint32_t* bounds, WordKey* key) {
  const uint32_t all = bounds[1] - bounds[0], size = all < 15 ? all : 15;
  const __m128i bytes = _mm_maskz_loadu_epi8(__mmask16((1u << size) - 1), text + bounds[0]);
  _mm_storeu_si128((__m128i*)key, _mm_mask_set1_epi8(bytes, __mmask16(1u << 15), char(size)));
}
// line_of() for the four.
FASTPLM_INLINE void find_lines(const WordKey* keys, const TokenLine* lines, uint64_t count, const TokenLine** found) {
  const __m512i products =
      _mm512_mullo_epi64(_mm512_loadu_si512(keys),
                         _mm512_broadcast_i32x4(_mm_set_epi64x(int64_t(kKeyFactors[1]), int64_t(kKeyFactors[0]))));
  const __m512i hashes = _mm512_xor_si512(products, _mm512_shuffle_epi32(products, _MM_PERM_BADC));
  const __m512i places =
      _mm512_srli_epi64(_mm512_mul_epu32(_mm512_srli_epi64(hashes, 32), _mm512_set1_epi64(int64_t(count))), 32);
  const __m512i addresses = _mm512_add_epi64(_mm512_set1_epi64(int64_t(lines)), _mm512_slli_epi64(places, 6));
  static_assert(sizeof(TokenLine) == 1 << 6);
  _mm256_storeu_si256((__m256i*)found, _mm512_castsi512_si256(_mm512_maskz_compress_epi64(0x55, addresses)));
}
// Where in the line the word's id is; 0: nowhere.
FASTPLM_INLINE uint32_t id_offset(const TokenLine& line, const WordKey& key) {
  constexpr __mmask64 kKeys = ~0x7000700070007000;   // without ids
  return kIdOffsets[_mm512_cmpeq_epi64_mask(_mm512_maskz_loadu_epi8(kKeys, &line),
                                            _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)&key)))];
}

struct Pair {  // kLanes pairs of bf16, each pair in 32 bits
  __m512i v;
};
FASTPLM_INLINE Pair load_pairs(const bf16* p) { return {_mm512_loadu_si512(p)}; }
FASTPLM_INLINE Pair broadcast_pair(const bf16* p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return {_mm512_set1_epi32(bits)};
}

struct I32 {
  __m512i v;
  FASTPLM_INLINE I32 zero() { return {_mm512_setzero_si512()}; }
};
FASTPLM_INLINE I32 load(const int32_t* p) { return {_mm512_loadu_si512(p)}; }
FASTPLM_INLINE void store(int32_t* p, I32 a) { _mm512_storeu_si512(p, a.v); }
FASTPLM_INLINE I32 operator+(I32 a, I32 b) { return {_mm512_add_epi32(a.v, b.v)}; }
FASTPLM_INLINE I32 operator-(I32 a, I32 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
FASTPLM_INLINE F32 to_f32(I32 a) { return {_mm512_cvtepi32_ps(a.v)}; }

struct Int8s {   // of a row broadcast, or of a panel
  __m512i v;
};

// Products of four bits without a sign and int8, four in a lane.
struct Int4s {
  __m512i v;
};
struct Int8Quad {   // of a row, in each lane
  __m512i v;
};
struct Int4Sums {
  __m512i v;
  FASTPLM_INLINE Int4Sums zero() { return {_mm512_setzero_si512()}; }
};
FASTPLM_INLINE void load_int4s(const uint8_t* p, Int4s& low, Int4s& high) {
  const __m512i both = _mm512_loadu_si512(p), four = _mm512_set1_epi8(15);
  low = {_mm512_and_si512(both, four)};
  high = {_mm512_and_si512(_mm512_srli_epi16(both, 4), four)};
}
FASTPLM_INLINE Int8Quad broadcast_quad(const int8_t* p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return {_mm512_set1_epi32(bits)};
}

constexpr int kTileRows = 8, kTileVectors = 3;  // 24 accumulators, 3 of B, 1 of A: 28 of 32 registers

}  // namespace fastplm::FASTPLM_ISA
