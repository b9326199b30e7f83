// Short words as two numbers, to be compared and hashed at once.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>

namespace fastplm::text {

// A short word: up to 15 bytes, little-endian, zeros behind the last one, and their number in the last byte.
struct WordKey {
  static constexpr size_t kMaxSize = 15;
  uint64_t parts[2];

  // Reads nothing at or behind `end`.
  static WordKey of(const char* word, size_t size, const char* end) {
    if (size_t(end - word) >= sizeof(WordKey)) return of(word, size);
    char bytes[sizeof(WordKey)] = {};
    std::memcpy(bytes, word, size);
    return of(bytes, size);
  }

  bool operator==(const WordKey& other) const {
    return ((parts[0] ^ other.parts[0]) | (parts[1] ^ other.parts[1])) == 0;
  }
  // The upper bits are the ones to use.
  uint64_t hash() const { return parts[0] * 0x9e3779b97f4a7c15u ^ parts[1] * 0xc2b2ae3d27d4eb4fu; }   // of xxHash64

 private:
  struct Mask {
    uint64_t low, high;
  };
  static constexpr std::array<Mask, 16> kFirst = [] {   // of the first n bytes
    std::array<Mask, 16> masks{};
    for (size_t n = 0; n < masks.size(); ++n) {
      masks[n].low = n < 8 ? (uint64_t(1) << 8 * n) - 1 : ~uint64_t(0);
      masks[n].high = n < 8 ? 0 : (uint64_t(1) << 8 * (n - 8)) - 1;
    }
    return masks;
  }();
  static WordKey of(const char* word, size_t size) {   // reads 16 bytes
    WordKey key;
    std::memcpy(key.parts, word, sizeof(key.parts));
    key.parts[0] &= kFirst[size].low;
    key.parts[1] = (key.parts[1] & kFirst[size].high) | uint64_t(size) << 56;
    return key;
  }
};

}  // namespace fastplm::text
