// What words became, remembered between texts. A fixed amount of memory: new words take the place of old ones.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <new>
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
  static WordKey of(const char* word, size_t size) {   // reads 16 bytes
    static constexpr uint64_t kFirst[9] = {0,
                                           0xff,
                                           0xffff,
                                           0xffffff,
                                           0xffffffff,
                                           0xffffffffff,
                                           0xffffffffffff,
                                           0xffffffffffffff,
                                           ~uint64_t(0)};
    WordKey key;
    std::memcpy(key.parts, word, sizeof(key.parts));
    key.parts[0] &= kFirst[size < 8 ? size : 8];
    key.parts[1] &= kFirst[size < 8 ? 0 : size - 8];
    key.parts[1] |= uint64_t(size) << 56;
    return key;
  }
};

// One for each thread, shared by all who remember words; they tell theirs apart by `owner`.
class WordCache {
 public:
  static uint32_t new_owner() {
    static std::atomic<uint32_t> owners{0};
    return ++owners & ((1u << 30) - 1);
  }

  static WordCache& of_thread() {
    thread_local WordCache cache;
    return cache;
  }

  // Asks for the place of a word that is wanted soon.
  void prefetch(const WordKey& key) const { __builtin_prefetch(set_of(key)); }

  // Appends the ids of a short word, which make(ids) appends if they are not remembered.
  template <class Make>
  void add(uint32_t owner, const WordKey& key, std::string_view word, Ids& ids, Make&& make) {
    ids.reserve(kMaxIds + 1);
    const int64_t before = ids.size();
    const Slot* const set = set_of(key);
    for (const Slot* slot = set; slot < set + kWays; ++slot) {
      if (!(slot->key == key) || slot->owner >> 2 != owner) continue;
      std::memcpy(ids.data() + before, slot->ids, sizeof(slot->ids));
      return ids.resize(before + (slot->owner & 3));
    }
    add_long(owner, word, ids, make);
    if (ids.size() <= before + kMaxIds) put(owner, key, ids.data() + before, ids.size() - before);
  }

  // A word of any length, of a text that reaches to `end`.
  template <class Make>
  void add(uint32_t owner, std::string_view word, const char* end, Ids& ids, Make&& make) {
    if (word.size() > WordKey::kMaxSize) return add_long(owner, word, ids, make);
    add(owner, WordKey::of(word.data(), word.size(), end), word, ids, make);
  }

  // The same for one that is too long for a key, or need not have one.
  template <class Make>
  void add_long(uint32_t owner, std::string_view word, Ids& ids, Make&& make) {
    if (word.size() > LongWords::kMaxSize) return make(ids);
    if (long_words_.find(owner, word, ids)) return;
    const int64_t before = ids.size();
    make(ids);
    const int64_t count = ids.size() - before;
    const bool is_short = word.size() <= WordKey::kMaxSize && count <= kMaxIds;
    if (!is_short && count <= LongWords::kMaxIds) long_words_.put(owner, word, ids.data() + before, count);
  }

 private:
  static constexpr size_t kSlots = size_t(1) << 17;   // 4 MiB
  static constexpr size_t kWays = 2;
  static constexpr int64_t kMaxIds = 3;   // of a short word; one with more is kept where the long ones are
  static constexpr int kShift = 64 - 16;   // 2^16 sets
  static_assert(kSlots / kWays == size_t(1) << (64 - kShift));
  struct alignas(32) Slot {   // a set is one cache line
    WordKey key{};
    uint32_t owner = 0;   // and the number of ids in the lowest 2 bits
    int32_t ids[kMaxIds];
  };
  static_assert(sizeof(Slot) == 32);

  Slot* set_of(const WordKey& key) const { return &slots_[(key.hash() >> kShift) * kWays]; }

  // The newest word of a set comes first, and the oldest goes.
  void put(uint32_t owner, const WordKey& key, const int32_t* ids, int64_t count) {   // count <= kMaxIds
    Slot* set = set_of(key);
    std::memmove(set + 1, set, (kWays - 1) * sizeof(Slot));
    set->key = key;
    set->owner = owner << 2 | uint32_t(count);
    std::memcpy(set->ids, ids, size_t(count) * sizeof(int32_t));
  }

  WordCache() : memory_(kSlots * sizeof(Slot)), slots_(new (memory_.data()) Slot[kSlots]) {}

  LongWords long_words_;
  Buffer memory_;
  Slot* slots_;
};

}  // namespace fastplm::text
