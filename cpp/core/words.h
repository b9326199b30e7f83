// Short words, and the tokens of a vocabulary among them. Compiled for each instruction set too, so that no function
// here may be one that the linker shares.
#pragma once
#include <array>
#include <cstdint>

namespace fastplm {

// Up to 15 bytes, little-endian, zeros behind the last one, and their number in the last byte.
struct WordKey {
  uint64_t parts[2];
};

// A cache line of a vocabulary. A slot is the key of a token of up to 12 bytes, its id in the three bytes that these
// leave free; or zeros.
constexpr int kTokenBytes = 12, kTokenIdShift = 32, kTokenIdBits = 24;   // within Slot::rest
struct alignas(64) TokenLine {
  struct Slot {
    uint64_t first, rest;
  } slots[4];
};

// Where in its line a token's id begins, in bytes, by which of the line's eight numbers are the word's; 0: none is it.
constexpr std::array<uint8_t, 256> kIdOffsets = [] {
  std::array<uint8_t, 256> offsets{};
  for (unsigned same = 0; same < offsets.size(); ++same) {
    unsigned slot = 0;
    while (slot < 4 && (same >> 2 * slot & 3) != 3) ++slot;
    if (slot < 4) offsets[same] = uint8_t(sizeof(TokenLine::Slot) * slot + 8 + kTokenIdShift / 8);
  }
  return offsets;
}();

// The upper bits are the ones to use.
constexpr uint64_t kKeyFactors[2] = {0x9e3779b97f4a7c15u,
                                     0xc2b2ae3d27d4eb4fu};   // 2^64 / golden ratio, xxHash64's second
static inline __attribute__((always_inline)) uint64_t hash_of(const WordKey& key) {
  return key.parts[0] * kKeyFactors[0] ^ key.parts[1] * kKeyFactors[1];
}
static inline __attribute__((always_inline)) uint64_t line_of(const WordKey& key, uint64_t lines) {
  return (hash_of(key) >> 32) * lines >> 32;
}

}  // namespace fastplm
