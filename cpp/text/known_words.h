// The words of a vocabulary that are one token each, for a look at one cache line.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>
#include "core/buffer.h"
#include "text/word_key.h"

namespace fastplm::text {

// Not every word has a place: one that is longer than 12 bytes, or finds its line full, is not known. Those that come
// first in the vocabulary, which are the frequent ones, come first here.
class KnownWords {
 public:
  struct Word {
    std::string_view bytes;
    int32_t id;  // below 2^28
  };
  KnownWords() = default;
  explicit KnownWords(const std::vector<Word>& words);  // each once

  bool empty() const { return lines_ == 0; }

  // Where a word would be; asks the memory for it.
  struct Place {
    WordKey key;
    const void* line;
  };
  Place place_of(const WordKey& key) const {
    const Line* const line = lines() + line_of(key);
    __builtin_prefetch(line);
    return {key, line};
  }

  // Its id, or -1. No branches: which slot it is cannot be foreseen.
  static int32_t find(const Place& place) {
    const Slot wanted = slot_of(place.key, 0);
    uint64_t found = 0;
    for (const Slot& slot : static_cast<const Line*>(place.line)->slots) {
      const uint64_t different = (slot.first ^ wanted.first) | (slot.rest ^ wanted.rest) << kIdBits;
      found |= slot.rest & (uint64_t(different != 0) - 1);
    }
    return int32_t(found >> (64 - kIdBits)) | -int32_t(found == 0);
  }

 private:
  static constexpr size_t kMaxSize = 12;
  static constexpr int kIdBits = 28;
  struct Slot {  // 8 bytes; from the lowest bit on: 4 bytes, their number (0: none; a larger one is never found), the
                 // id
    uint64_t first, rest;
  };
  struct alignas(64) Line {
    Slot slots[4];
  };
  static Slot slot_of(const WordKey& key, int32_t id) {
    return {key.parts[0], uint64_t(uint32_t(key.parts[1])) | key.parts[1] >> 56 << 32 | uint64_t(id) << (64 - kIdBits)};
  }
  uint64_t line_of(const WordKey& key) const { return (key.hash() >> 32) * lines_ >> 32; }
  Line* lines() const { return memory_.as<Line>(); }

  uint64_t lines_ = 0;
  Buffer memory_;
};

}  // namespace fastplm::text
