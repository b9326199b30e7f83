// Eight lanes: AVX2 with FMA and F16C (Haswell, Zen and newer).
#pragma once
#include <immintrin.h>

#include "core/dtype.h"
#include "core/words.h"

#define FASTPLM_INLINE static inline __attribute__((always_inline))

namespace fastplm::FASTPLM_ISA {

struct F32 {
  static constexpr int kLanes = 8;
  __m256 v;
  FASTPLM_INLINE F32 zero() { return {_mm256_setzero_ps()}; }
  FASTPLM_INLINE F32 set1(float x) { return {_mm256_set1_ps(x)}; }
};

FASTPLM_INLINE __m256i first(int n) {   // all ones in the first n lanes
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
FASTPLM_INLINE __m128i load16(const void* p, int n) {   // n 16-bit values, the rest zero
  alignas(16) uint16_t tmp[8] = {};
  __builtin_memcpy(tmp, p, size_t(n) * 2);
  return _mm_load_si128((const __m128i*)tmp);
}
FASTPLM_INLINE F32 from_bf16(__m128i h) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16))};
}
FASTPLM_INLINE __m128i to_bf16(__m256 a) {   // to nearest even; NaN stays NaN
  const __m256i u = _mm256_castps_si256(a), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i quiet = _mm256_or_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(0x40));
  const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
  const __m256i h = _mm256_blendv_epi8(rounded, quiet, nan);
  return _mm_packus_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1));
}

FASTPLM_INLINE F32 load(const float* p) { return {_mm256_loadu_ps(p)}; }
FASTPLM_INLINE F32 load(const bf16* p) { return from_bf16(_mm_loadu_si128((const __m128i*)p)); }
FASTPLM_INLINE F32 load(const f16* p) { return {_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p))}; }
FASTPLM_INLINE F32 load(const float* p, int n) {
  return {n == 8 ? _mm256_loadu_ps(p) : _mm256_maskload_ps(p, first(n))};
}
FASTPLM_INLINE F32 load(const bf16* p, int n) { return n == 8 ? load(p) : from_bf16(load16(p, n)); }
FASTPLM_INLINE F32 load(const f16* p, int n) { return n == 8 ? load(p) : F32{_mm256_cvtph_ps(load16(p, n))}; }
FASTPLM_INLINE void store(float* p, F32 a) { _mm256_storeu_ps(p, a.v); }
FASTPLM_INLINE void store(bf16* p, F32 a) { _mm_storeu_si128((__m128i*)p, to_bf16(a.v)); }
FASTPLM_INLINE void store(f16* p, F32 a) {
  _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT));
}
FASTPLM_INLINE void store(float* p, F32 a, int n) {
  n == 8 ? _mm256_storeu_ps(p, a.v) : _mm256_maskstore_ps(p, first(n), a.v);
}
FASTPLM_INLINE void store(bf16* p, F32 a, int n) {
  if (n == 8) return store(p, a);
  alignas(16) uint16_t tmp[8];
  _mm_store_si128((__m128i*)tmp, to_bf16(a.v));
  __builtin_memcpy(p, tmp, size_t(n) * 2);
}

FASTPLM_INLINE F32 operator+(F32 a, F32 b) { return {_mm256_add_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 operator-(F32 a, F32 b) { return {_mm256_sub_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 operator*(F32 a, F32 b) { return {_mm256_mul_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 operator/(F32 a, F32 b) { return {_mm256_div_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 fma(F32 a, F32 b, F32 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
FASTPLM_INLINE F32 max(F32 a, F32 b) { return {_mm256_max_ps(a.v, b.v)}; }   // b if either is NaN
FASTPLM_INLINE F32 min(F32 a, F32 b) { return {_mm256_min_ps(a.v, b.v)}; }
FASTPLM_INLINE F32 round(F32 a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
FASTPLM_INLINE F32 scale2(F32 a, F32 n) {   // a * 2^n for integral n; overflows to inf, underflows to 0
  const __m256 c = _mm256_min_ps(_mm256_set1_ps(254.0f), _mm256_max_ps(_mm256_set1_ps(-252.0f), n.v));
  const __m256i whole = _mm256_cvtps_epi32(c), half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256 x = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
  const __m256 y = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
  return {_mm256_mul_ps(_mm256_mul_ps(a.v, x), y)};
}
FASTPLM_INLINE float sum(F32 a) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
FASTPLM_INLINE float largest(F32 a) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
FASTPLM_INLINE float sqrt(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

FASTPLM_INLINE F32 sqrt(F32 a) { return {_mm256_sqrt_ps(a.v)}; }

// v where a > b, else 0.
FASTPLM_INLINE F32 above(F32 a, F32 b, F32 v) { return {_mm256_and_ps(_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ), v.v)}; }

struct U32 {   // kLanes integers, modulo 2^32
  __m256i v;
  FASTPLM_INLINE U32 set1(uint32_t x) { return {_mm256_set1_epi32(int(x))}; }
  FASTPLM_INLINE U32 from(uint32_t x) {   // x, x + 1, x + 2, ...
    return {_mm256_add_epi32(_mm256_set1_epi32(int(x)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))};
  }
};
FASTPLM_INLINE U32 operator^(U32 a, U32 b) { return {_mm256_xor_si256(a.v, b.v)}; }
FASTPLM_INLINE U32 multiply(U32 a, uint32_t b, U32& high) {   // the product's low half
  const __m256i factor = _mm256_set1_epi32(int(b));
  const __m256i even = _mm256_mul_epu32(a.v, factor), odd = _mm256_mul_epu32(_mm256_srli_epi64(a.v, 32), factor);
  high = {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa)};
  return {_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa)};
}
FASTPLM_INLINE F32 low_half(U32 a) { return {_mm256_cvtepi32_ps(_mm256_and_si256(a.v, _mm256_set1_epi32(0xffff)))}; }
FASTPLM_INLINE F32 high_half(U32 a) { return {_mm256_cvtepi32_ps(_mm256_srli_epi32(a.v, 16))}; }

FASTPLM_INLINE void transpose(F32* r) {   // kLanes x kLanes, in place
  __m256 a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_ps(r[i].v, r[i + 1].v);
    a[i + 1] = _mm256_unpackhi_ps(r[i].v, r[i + 1].v);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_shuffle_ps(a[i], a[i + 2], 0x44);
    b[i + 1] = _mm256_shuffle_ps(a[i], a[i + 2], 0xee);
    b[i + 2] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0x44);
    b[i + 3] = _mm256_shuffle_ps(a[i + 1], a[i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    r[i].v = _mm256_permute2f128_ps(b[i], b[i + 4], 0x20);
    r[i + 4].v = _mm256_permute2f128_ps(b[i], b[i + 4], 0x31);
  }
}

struct Bytes {   // kCount bytes; what is said of each is a bit of the result, the first byte's the lowest
  static constexpr int kCount = 32;
  __m256i v;
};
FASTPLM_INLINE Bytes load_bytes(const char* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
FASTPLM_INLINE Bytes operator|(Bytes a, char c) { return {_mm256_or_si256(a.v, _mm256_set1_epi8(c))}; }
FASTPLM_INLINE uint64_t not_ascii(Bytes a) { return uint32_t(_mm256_movemask_epi8(a.v)); }
FASTPLM_INLINE uint64_t between(Bytes a, char low, char high) {
  const __m256i above = _mm256_sub_epi8(a.v, _mm256_set1_epi8(low));
  const __m256i most = _mm256_min_epu8(above, _mm256_set1_epi8(char(high - low)));
  return uint32_t(_mm256_movemask_epi8(_mm256_cmpeq_epi8(most, above)));
}

// A word, with 16 bytes that may be read.
constexpr int kWordGroup = 1;
FASTPLM_INLINE void load_words(const char* text, const uint32_t* bounds, WordKey* key) {
  const uint32_t all = bounds[1] - bounds[0];
  const __m128i size = _mm_set1_epi8(char(all < 15 ? all : 15));
  const __m128i places = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  const __m128i word = _mm_and_si128(_mm_loadu_si128((const __m128i*)(text + bounds[0])), _mm_cmpgt_epi8(size, places));
  _mm_storeu_si128((__m128i*)key, _mm_or_si128(word, _mm_slli_si128(size, 15)));
}
// The same, for one of which nothing more may be read.
FASTPLM_INLINE void load_last_word(const char* text, const uint32_t* bounds, WordKey* key) {
  const uint32_t all = bounds[1] - bounds[0], size = all < 15 ? all : 15;
  char word[16] = {};
  __builtin_memcpy(word, text + bounds[0], size);
  word[15] = char(size);
  __builtin_memcpy(key->parts, word, sizeof(word));
}
FASTPLM_INLINE void find_lines(const WordKey* key, const TokenLine* lines, uint64_t count, const TokenLine** found) {
  *found = lines + line_of(*key, count);
}
// Where in the line the word's id is; 0: nowhere.
FASTPLM_INLINE uint32_t id_offset(const TokenLine& line, const WordKey& key) {
  const __m256i wanted = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)&key));
  const __m256i keys = _mm256_set_epi64x(int64_t(0xff000000ffffffff), -1, int64_t(0xff000000ffffffff), -1);
  const auto same_in = [&](const TokenLine::Slot* two) {
    const __m256i slots = _mm256_and_si256(_mm256_load_si256((const __m256i*)two), keys);
    return uint32_t(_mm256_movemask_pd(_mm256_castsi256_pd(_mm256_cmpeq_epi64(slots, wanted))));
  };
  return kIdOffsets[same_in(line.slots) | same_in(line.slots + 2) << 4];
}

struct Pair {  // kLanes pairs of bf16, each pair in 32 bits
  __m256i v;
};
FASTPLM_INLINE Pair load_pairs(const bf16* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
FASTPLM_INLINE Pair broadcast_pair(const bf16* p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return {_mm256_set1_epi32(bits)};
}
FASTPLM_INLINE __m256 low_of(Pair a) { return _mm256_castsi256_ps(_mm256_slli_epi32(a.v, 16)); }
FASTPLM_INLINE __m256 high_of(Pair a) {
  return _mm256_castsi256_ps(_mm256_and_si256(a.v, _mm256_set1_epi32(int(0xffff0000))));
}
FASTPLM_INLINE F32 dot(Pair a, Pair b, F32 c) {  // c + a0*b0 + a1*b1
  return {_mm256_fmadd_ps(high_of(a), high_of(b), _mm256_fmadd_ps(low_of(a), low_of(b), c.v))};
}

struct I32 {
  __m256i v;
  FASTPLM_INLINE I32 zero() { return {_mm256_setzero_si256()}; }
};
FASTPLM_INLINE I32 load(const int32_t* p) { return {_mm256_loadu_si256((const __m256i*)p)}; }
FASTPLM_INLINE void store(int32_t* p, I32 a) { _mm256_storeu_si256((__m256i*)p, a.v); }
FASTPLM_INLINE I32 operator+(I32 a, I32 b) { return {_mm256_add_epi32(a.v, b.v)}; }
FASTPLM_INLINE I32 operator-(I32 a, I32 b) { return {_mm256_sub_epi32(a.v, b.v)}; }
FASTPLM_INLINE F32 to_f32(I32 a) { return {_mm256_cvtepi32_ps(a.v)}; }

// Products of int8: how a value of a row is held and what is added to it, how many go into a lane. As 16 bits:
// VPMADDUBSW would saturate.
using Int8Row = int16_t;
constexpr int kInt8Offset = 0, kInt8Step = 2;
struct Int8s {
  __m256i v;
};
FASTPLM_INLINE Int8s load_int8s(const int8_t* p) { return {_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p))}; }
FASTPLM_INLINE Int8s broadcast_int8s(const Int8Row* p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return {_mm256_set1_epi32(bits)};
}
FASTPLM_INLINE I32 dot(Int8s row, Int8s panel, I32 c) {   // exact
  return {_mm256_add_epi32(c.v, _mm256_madd_epi16(row.v, panel.v))};
}

// Products of four bits without a sign and int8, four in a lane; Int4Sums holds the sums of eight such products, in 16
// bits: 8 * 2 * 15 * 127 < 2^15.
struct Int4s {
  __m256i v;
};
struct Int8Quad {   // of a row, in each lane
  __m256i v;
};
struct Int4Sums {
  __m256i v;
  FASTPLM_INLINE Int4Sums zero() { return {_mm256_setzero_si256()}; }
};
FASTPLM_INLINE void load_int4s(const uint8_t* p, Int4s& low, Int4s& high) {
  const __m256i both = _mm256_loadu_si256((const __m256i*)p), four = _mm256_set1_epi8(15);
  low = {_mm256_and_si256(both, four)};
  high = {_mm256_and_si256(_mm256_srli_epi16(both, 4), four)};
}
FASTPLM_INLINE Int8Quad broadcast_quad(const int8_t* p) {
  int32_t bits;
  __builtin_memcpy(&bits, p, 4);
  return {_mm256_set1_epi32(bits)};
}
FASTPLM_INLINE Int4Sums dot(Int4s panel, Int8Quad row, Int4Sums c) {   // exact
  return {_mm256_add_epi16(c.v, _mm256_maddubs_epi16(panel.v, row.v))};
}
FASTPLM_INLINE I32 whole(Int4Sums a) { return {_mm256_madd_epi16(a.v, _mm256_set1_epi16(1))}; }

constexpr int kTileRows = 6, kTileVectors = 2;  // 12 accumulators, 2 of B, 1 of A: 15 of 16 registers

constexpr bool kFastBf16 = false;   // products of bf16 take less time than those of f32

}  // namespace fastplm::FASTPLM_ISA
