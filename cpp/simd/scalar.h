// One lane, plain C++: runs anywhere, and is what every other table is tested against.
#pragma once
#include "core/dtype.h"
#include "core/words.h"

#define FASTPLM_INLINE static inline __attribute__((always_inline))

namespace fastplm::FASTPLM_ISA {

struct F32 {
  static constexpr int kLanes = 1;
  float v;
  FASTPLM_INLINE F32 zero() { return {0.0f}; }
  FASTPLM_INLINE F32 set1(float x) { return {x}; }
};

FASTPLM_INLINE float from_bits(uint32_t u) {
  float f;
  __builtin_memcpy(&f, &u, 4);
  return f;
}

FASTPLM_INLINE uint32_t to_bits(float f) {
  uint32_t u;
  __builtin_memcpy(&u, &f, 4);
  return u;
}

FASTPLM_INLINE float from_f16(f16 h) {   // IEEE 754 binary16
  const uint32_t sign = uint32_t(h.bits & 0x8000) << 16, exponent = h.bits >> 10 & 31, fraction = h.bits & 0x3ff;
  if (exponent == 31) return from_bits(sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) return from_bits(sign | to_bits(float(fraction) * 0x1p-24f));
  return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

FASTPLM_INLINE F32 load(const float* p) { return {*p}; }
FASTPLM_INLINE F32 load(const bf16* p) { return {from_bits(uint32_t(p->bits) << 16)}; }
FASTPLM_INLINE F32 load(const f16* p) { return {from_f16(*p)}; }
FASTPLM_INLINE void store(float* p, F32 a) { *p = a.v; }
FASTPLM_INLINE void store(bf16* p, F32 a) {   // to nearest even; NaN stays NaN
  const uint32_t u = to_bits(a.v);
  p->bits = uint16_t(a.v != a.v ? (u >> 16 | 0x40) : (u + 0x7fff + (u >> 16 & 1)) >> 16);
}
FASTPLM_INLINE void store(f16* p, F32 a) {   // to nearest even; NaN stays NaN
  const uint32_t u = to_bits(a.v), sign = u >> 16 & 0x8000, size = u & 0x7fffffff;
  uint32_t h = 0x7e00;
  if (size < 0x38800000) {   // below the smallest normal number: its step is that of 0.5
    h = to_bits(from_bits(size) + 0.5f) - to_bits(0.5f);
  } else if (size <= 0x7f800000) {
    const uint32_t rounded = (size + 0xfff + (size >> 13 & 1) - 0x38000000) >> 13;
    h = rounded < 0x7c00 ? rounded : 0x7c00;
  }
  p->bits = uint16_t(sign | h);
}
template <class T>
FASTPLM_INLINE F32 load(const T* p, int) {
  return load(p);
}
template <class T>
FASTPLM_INLINE void store(T* p, F32 a, int) {
  store(p, a);
}

FASTPLM_INLINE F32 operator+(F32 a, F32 b) { return {a.v + b.v}; }
FASTPLM_INLINE F32 operator-(F32 a, F32 b) { return {a.v - b.v}; }
FASTPLM_INLINE F32 operator*(F32 a, F32 b) { return {a.v * b.v}; }
FASTPLM_INLINE F32 operator/(F32 a, F32 b) { return {a.v / b.v}; }
FASTPLM_INLINE F32 fma(F32 a, F32 b, F32 c) { return {a.v * b.v + c.v}; }
FASTPLM_INLINE F32 max(F32 a, F32 b) { return {a.v > b.v ? a.v : b.v}; }   // b if either is NaN, as on x86
FASTPLM_INLINE F32 min(F32 a, F32 b) { return {a.v < b.v ? a.v : b.v}; }
FASTPLM_INLINE F32 round(F32 a) { return {__builtin_rintf(a.v)}; }
FASTPLM_INLINE F32 scale2(F32 a, F32 n) {   // a * 2^n for integral n; overflows to inf, underflows to 0
  const float c = n.v < -252.0f ? -252.0f : n.v > 254.0f ? 254.0f : n.v == n.v ? n.v : 0.0f;
  const int half = int(c) / 2, rest = int(c) - half;
  return {a.v * from_bits(uint32_t(half + 127) << 23) * from_bits(uint32_t(rest + 127) << 23)};
}
FASTPLM_INLINE float sum(F32 a) { return a.v; }
FASTPLM_INLINE float largest(F32 a) { return a.v; }
FASTPLM_INLINE float sqrt(float x) { return __builtin_sqrtf(x); }

FASTPLM_INLINE F32 sqrt(F32 a) { return {__builtin_sqrtf(a.v)}; }

// v where a > b, else 0.
FASTPLM_INLINE F32 above(F32 a, F32 b, F32 v) { return {a.v > b.v ? v.v : 0.0f}; }

struct U32 {   // kLanes integers, modulo 2^32
  uint32_t v;
  FASTPLM_INLINE U32 set1(uint32_t x) { return {x}; }
  FASTPLM_INLINE U32 from(uint32_t x) { return {x}; }   // x, x + 1, x + 2, ...
};
FASTPLM_INLINE U32 operator^(U32 a, U32 b) { return {a.v ^ b.v}; }
FASTPLM_INLINE U32 multiply(U32 a, uint32_t b, U32& high) {   // the product's low half
  const uint64_t product = uint64_t(a.v) * b;
  high = {uint32_t(product >> 32)};
  return {uint32_t(product)};
}
FASTPLM_INLINE F32 low_half(U32 a) { return {float(a.v & 0xffff)}; }
FASTPLM_INLINE F32 high_half(U32 a) { return {float(a.v >> 16)}; }

FASTPLM_INLINE void transpose(F32*) {}   // kLanes x kLanes

struct Bytes {   // kCount bytes; what is said of each is a bit of the result, the first byte's the lowest
  static constexpr int kCount = 8;
  uint64_t v;
};
FASTPLM_INLINE Bytes load_bytes(const char* p) {
  Bytes a{0};
  for (int i = 0; i < 8; ++i) a.v |= uint64_t(uint8_t(p[i])) << 8 * i;
  return a;
}
FASTPLM_INLINE Bytes operator|(Bytes a, char c) { return {a.v | 0x0101010101010101 * uint64_t(uint8_t(c))}; }
FASTPLM_INLINE uint64_t gather_highs(uint64_t v) { return (v >> 7 & 0x0101010101010101) * 0x0102040810204080 >> 56; }
FASTPLM_INLINE uint64_t not_ascii(Bytes a) { return gather_highs(a.v); }
FASTPLM_INLINE uint64_t between(Bytes a, char low, char high) {   // of ASCII
  constexpr uint64_t kOnes = 0x0101010101010101, kHighs = 0x80 * kOnes;
  const uint64_t seven = a.v & ~kHighs;
  const uint64_t at_least = seven + kOnes * uint64_t(0x80 - low), above = seven + kOnes * uint64_t(0x7f - high);
  return gather_highs(at_least & ~above & ~a.v);
}

// A word; reads nothing else.
constexpr int kWordGroup = 1;
FASTPLM_INLINE void load_words(const char* text, const uint32_t* bounds, WordKey* key) {
  const uint32_t all = bounds[1] - bounds[0], size = all < 15 ? all : 15;
  *key = {};
  for (uint32_t i = 0; i < size; ++i) key->parts[i / 8] |= uint64_t(uint8_t(text[bounds[0] + i])) << i % 8 * 8;
  key->parts[1] |= uint64_t(size) << 56;
}
FASTPLM_INLINE void load_last_word(const char* text, const uint32_t* bounds, WordKey* key) {
  load_words(text, bounds, key);
}
FASTPLM_INLINE void find_lines(const WordKey* key, const TokenLine* lines, uint64_t count, const TokenLine** found) {
  *found = lines + line_of(*key, count);
}
// Where in the line the word's id is; 0: nowhere.
FASTPLM_INLINE uint32_t id_offset(const TokenLine& line, const WordKey& key) {
  constexpr uint64_t kIds = ((uint64_t(1) << kTokenIdBits) - 1) << kTokenIdShift;
  uint32_t same = 0;
  for (int i = 0; i < 4; ++i) {
    const TokenLine::Slot& slot = line.slots[i];
    same |= uint32_t(slot.first == key.parts[0]) << 2 * i | uint32_t((slot.rest & ~kIds) == key.parts[1])
                                                                << (2 * i + 1);
  }
  return kIdOffsets[same];
}

struct Pair {   // kLanes pairs of bf16, each pair in 32 bits
  uint32_t v;
};
FASTPLM_INLINE Pair load_pairs(const bf16* p) {
  Pair a;
  __builtin_memcpy(&a.v, p, 4);
  return a;
}
FASTPLM_INLINE Pair broadcast_pair(const bf16* p) { return load_pairs(p); }
FASTPLM_INLINE F32 dot(Pair a, Pair b, F32 c) {   // c + a0*b0 + a1*b1
  const float low = from_bits(a.v << 16) * from_bits(b.v << 16) + c.v;
  return {from_bits(a.v & 0xffff0000) * from_bits(b.v & 0xffff0000) + low};
}

struct I32 {
  int32_t v;
  FASTPLM_INLINE I32 zero() { return {0}; }
};
FASTPLM_INLINE I32 load(const int32_t* p) { return {*p}; }
FASTPLM_INLINE void store(int32_t* p, I32 a) { *p = a.v; }
FASTPLM_INLINE I32 operator+(I32 a, I32 b) { return {a.v + b.v}; }
FASTPLM_INLINE I32 operator-(I32 a, I32 b) { return {a.v - b.v}; }
FASTPLM_INLINE F32 to_f32(I32 a) { return {float(a.v)}; }

// Products of int8: how a value of a row is held and what is added to it, how many go into a lane.
using Int8Row = int16_t;
constexpr int kInt8Offset = 0, kInt8Step = 2;
struct Int8s {
  int32_t first, second;
};
FASTPLM_INLINE Int8s load_int8s(const int8_t* p) { return {p[0], p[1]}; }
FASTPLM_INLINE Int8s broadcast_int8s(const Int8Row* p) { return {p[0], p[1]}; }
FASTPLM_INLINE I32 dot(Int8s row, Int8s panel, I32 c) {   // exact
  return {c.v + row.first * panel.first + row.second * panel.second};
}

// Products of four bits without a sign and int8, four in a lane; Int4Sums holds the sums of eight such products.
struct Int4s {
  uint8_t v[4];
};
struct Int8Quad {   // of a row, in each lane
  const int8_t* v;
};
struct Int4Sums {
  int32_t v;
  FASTPLM_INLINE Int4Sums zero() { return {0}; }
};
FASTPLM_INLINE void load_int4s(const uint8_t* p, Int4s& low, Int4s& high) {
  for (int i = 0; i < 4; ++i) low.v[i] = p[i] & 15, high.v[i] = p[i] >> 4;
}
FASTPLM_INLINE Int8Quad broadcast_quad(const int8_t* p) { return {p}; }
FASTPLM_INLINE Int4Sums dot(Int4s panel, Int8Quad row, Int4Sums c) {   // exact
  for (int i = 0; i < 4; ++i) c.v += panel.v[i] * row.v[i];
  return c;
}
FASTPLM_INLINE I32 whole(Int4Sums a) { return {a.v}; }

constexpr int kTileRows = 4, kTileVectors = 4;

constexpr bool kFastBf16 = false;   // products of bf16 take less time than those of f32

}  // namespace fastplm::FASTPLM_ISA
