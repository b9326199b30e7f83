// Keys of short words: to be compared and hashed at once.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include "core/words.h"

namespace fastplm::text {

constexpr size_t kMaxKeySize = 15;

namespace word_key {

struct Mask {
  uint64_t low, high;
};
inline constexpr std::array<Mask, 16> kFirst = [] {   // of the first n bytes
  std::array<Mask, 16> masks{};
  for (size_t n = 0; n < masks.size(); ++n) {
    masks[n].low = n < 8 ? (uint64_t(1) << 8 * n) - 1 : ~uint64_t(0);
    masks[n].high = n < 8 ? 0 : (uint64_t(1) << 8 * (n - 8)) - 1;
  }
  return masks;
}();

inline WordKey of(const char* word, size_t size) {   // reads 16 bytes
  WordKey key;
  std::memcpy(key.parts, word, sizeof(key.parts));
  return {{key.parts[0] & kFirst[size].low, (key.parts[1] & kFirst[size].high) | uint64_t(size) << 56}};
}

}  // namespace word_key

// Of a word of up to kMaxKeySize bytes. Reads nothing at or behind `end`.
inline WordKey key_of(const char* word, size_t size, const char* end) {
  if (size_t(end - word) >= sizeof(WordKey)) return word_key::of(word, size);
  char bytes[sizeof(WordKey)] = {};
  std::memcpy(bytes, word, size);
  return word_key::of(bytes, size);
}

inline bool same(const WordKey& a, const WordKey& b) {
  return ((a.parts[0] ^ b.parts[0]) | (a.parts[1] ^ b.parts[1])) == 0;
}

}  // namespace fastplm::text
