// What words became, remembered between texts. A fixed amount of memory: new words take the place of old ones.
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>
#include "core/buffer.h"
#include "text/ids.h"
#include "text/long_words.h"

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

// One for each thread, shared by all who remember words; they tell theirs apart by `owner`.
class WordCache {
  struct Slot;

 public:
  static uint32_t new_owner() {
    static std::atomic<uint32_t> owners{0};
    return ++owners & ((1u << 30) - 1);
  }

  static WordCache& of_thread();

  // Appends the ids of a word, which make(word, ids) appends if they are not remembered. The text reaches to `end`.
  template <class Make>
  void add(uint32_t owner, std::string_view word, const char* end, Ids& ids, const Make& make) {
    const auto only = [&](size_t) { return word; };
    add_row<1>(owner, 1, only, end, ids, make);
  }

  // The same for up to kAtOnce words, word(0) and on, whose places are fetched from memory together.
  static constexpr size_t kAtOnce = 64;
  template <size_t kMost = kAtOnce, class Word, class Make>
  void add_row(uint32_t owner, size_t count, const Word& word, const char* end, Ids& ids, const Make& make) {
    Place places[kMost];
    for (size_t i = 0; i < count; ++i) {
      const std::string_view w = word(i);
      if (w.size() <= WordKey::kMaxSize) places[i] = place_of(WordKey::of(w.data(), w.size(), end));
    }
    for (size_t i = 0; i < count; ++i) {
      const std::string_view w = word(i);
      if (w.size() > WordKey::kMaxSize) {
        add_long(owner, w, ids, make);
        continue;
      }
      ids.reserve(kMaxIds + 1);
      if (const int found = find(owner, places[i], ids.data() + ids.size()); found > 0)
        ids.resize(ids.size() + found);
      else
        add_short(owner, places[i], found, w, ids, make);
    }
  }

 private:
  static constexpr int64_t kMaxIds = 3;  // of a short word with a place; with more it is kept where the long ones are
  static constexpr int kElsewhere = 0, kUnknown = -1;

  // Where a short word may be.
  struct Place {
    WordKey key;
    Slot* set;
  };
  Place place_of(const WordKey& key) const {
    Slot* const set = &slots_[(key.hash() >> kShift) * kWays];
    __builtin_prefetch(set);
    return {key, set};
  }

  // Writes kMaxIds + 1 values to ids and returns how many of them are the word's, kElsewhere or kUnknown.
  static int find(uint32_t owner, const Place& place, int32_t* ids) {
    const auto has = [&](const Slot& slot) { return (slot.key == place.key) & (slot.owner >> 2 == owner); };
    static_assert(kWays == 2);
    const bool first = has(place.set[0]), second = has(place.set[1]);
    const Slot& slot = place.set[second];  // no branch: which of the two it is cannot be foreseen
    std::memcpy(ids, slot.ids, (kMaxIds + 1) * sizeof(int32_t));  // and the owner: one move
    return first | second ? int(slot.owner & 3) : kUnknown;
  }

  template <class Make>
  void add_short(uint32_t owner, const Place& place, int found, std::string_view word, Ids& ids, const Make& make) {
    if (found == kElsewhere) return add_long(owner, word, ids, make);
    const int64_t before = ids.size();
    make(word, ids);
    const int64_t count = ids.size() - before;
    if (count <= kMaxIds) return put(owner, place, ids.data() + before, count);
    put(owner, place, nullptr, kElsewhere);
    put_long(owner, word, ids, count);
  }

  template <class Make>
  void add_long(uint32_t owner, std::string_view word, Ids& ids, const Make& make) {
    if (word.size() <= LongWords::kMaxSize && long_words_.find(owner, word, ids)) return;
    const int64_t before = ids.size();
    make(word, ids);
    put_long(owner, word, ids, ids.size() - before);
  }

  static constexpr size_t kSlots = size_t(1) << 17;  // 4 MiB
  static constexpr size_t kWays = 2;
  static constexpr int kShift = 64 - 16;  // 2^16 sets
  static_assert(kSlots / kWays == size_t(1) << (64 - kShift));
  struct alignas(32) Slot {  // a set is one cache line
    WordKey key{};
    int32_t ids[kMaxIds];
    uint32_t owner = 0;  // and in the lowest 2 bits the number of ids, 0: kElsewhere
  };
  static_assert(sizeof(Slot) == 32);

  // The newest word of a set comes first, and the oldest goes.
  static void put(uint32_t owner, const Place& place, const int32_t* ids, int64_t count) {  // count <= kMaxIds
    std::memmove(place.set + 1, place.set, (kWays - 1) * sizeof(Slot));
    place.set->key = place.key;
    place.set->owner = owner << 2 | uint32_t(count);
    if (count > 0) std::memcpy(place.set->ids, ids, size_t(count) * sizeof(int32_t));
  }

  // The last `count` ids.
  void put_long(uint32_t owner, std::string_view word, const Ids& ids, int64_t count) {
    if (word.size() > LongWords::kMaxSize || count > LongWords::kMaxIds) return;
    long_words_.put(owner, word, ids.data() + ids.size() - count, count);
  }

  WordCache();

  LongWords long_words_;
  Buffer memory_;
  Slot* slots_;
};

}  // namespace fastplm::text
