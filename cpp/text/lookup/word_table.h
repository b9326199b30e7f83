// Short ASCII words and their ids, for a probe that touches one cache line.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace fastplm::text {

// Up to 12 bytes, little-endian, zeros behind the last one. No word holds a zero byte.
struct ShortWord {
  static constexpr size_t kMaxSize = 12;
  uint64_t low = 0;
  uint32_t high = 0;

  static ShortWord of(std::string_view word) {   // word.size() <= kMaxSize
    unsigned char bytes[16] = {};
    std::memcpy(bytes, word.data(), word.size());
    ShortWord result;
    std::memcpy(&result.low, bytes, 8);
    std::memcpy(&result.high, bytes + 8, 4);
    return result;
  }

  ShortWord first(size_t n) const {   // n >= 1
    if (n >= 8) return {low, n >= kMaxSize ? high : high & ((uint32_t(1) << 8 * (n - 8)) - 1)};
    return {low & (~uint64_t(0) >> (64 - 8 * n)), 0};
  }
  ShortWord without_first(size_t n) const {   // 1 <= n < kMaxSize
    if (n >= 8) return {uint64_t(high) >> 8 * (n - 8), 0};
    return {low >> 8 * n | uint64_t(high) << (64 - 8 * n), n >= 4 ? 0 : high >> 8 * n};
  }
};

class WordTable {
 public:
  explicit WordTable(const std::vector<std::pair<ShortWord, int32_t>>& words)
      : slots_(std::bit_ceil(words.size() * 4 / 3 + 2)), shift_(64 - std::countr_zero(slots_.size())) {
    for (const auto& [word, id] : words) {
      size_t at = start(word);
      while (slots_[at].id >= 0) at = next(at);
      slots_[at] = {word.low, word.high, id};
    }
  }

  int32_t find(ShortWord word) const {   // -1: not there
    for (size_t at = start(word);; at = next(at)) {
      const Slot& slot = slots_[at];
      if (slot.low == word.low && slot.high == word.high) return slot.id;
      if (slot.id < 0) return -1;
    }
  }

 private:
  struct Slot {
    uint64_t low = 0;
    uint32_t high = 0;
    int32_t id = -1;
  };
  size_t start(ShortWord word) const {
    return size_t((word.low + word.high * 0x9fb21c651e98df25u) * 0x9e3779b97f4a7c15u >> shift_);
  }
  size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }

  std::vector<Slot> slots_;
  int shift_;
};

}  // namespace fastplm::text
