// What words became, remembered between texts. A fixed amount of memory: a new word takes an old one's place.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include "text/ids.h"

namespace fastplm::text {

// Up to 23 bytes, little-endian, zeros behind the last one, and their number in the last byte.
struct WordKey {
  static constexpr size_t kMaxSize = 23;
  uint64_t parts[3];

  // Reads nothing at or behind `end`.
  static WordKey of(const char* word, size_t size, const char* end) {
    if (size_t(end - word) >= sizeof(WordKey)) return of(word, size);
    char bytes[sizeof(WordKey)] = {};
    std::memcpy(bytes, word, size);
    return of(bytes, size);
  }

  bool operator==(const WordKey&) const = default;
  uint64_t hash() const {
    const uint64_t mixed = (parts[0] * 0x9e3779b97f4a7c15u) ^ (parts[1] * 0xc2b2ae3d27d4eb4fu) ^
                           (parts[2] * 0x165667b19e3779f9u);   // odd constants of xxHash64
    return mixed ^ mixed >> 32;
  }

 private:
  static WordKey of(const char* word, size_t size) {   // reads 24 bytes
    WordKey key;
    std::memcpy(key.parts, word, sizeof(key.parts));
    key.parts[0] &= first_bytes(size);
    key.parts[1] &= first_bytes(size > 8 ? size - 8 : 0);
    key.parts[2] &= first_bytes(size > 16 ? size - 16 : 0);
    key.parts[2] |= uint64_t(size) << 56;
    return key;
  }
  static uint64_t first_bytes(size_t n) { return n >= 8 ? ~uint64_t(0) : (uint64_t(1) << 8 * n) - 1; }
};

// One for each thread, shared by all who remember words; they tell theirs apart by `owner`.
class WordCache {
 public:
  static uint32_t new_owner() {
    static std::atomic<uint32_t> owners{0};
    return ++owners & ((1u << 28) - 1);
  }

  static constexpr int64_t kMaxIds = 9;

  static WordCache& of_thread() {
    thread_local WordCache cache;
    return cache;
  }

  // Asks for the place of a word that is wanted soon.
  void prefetch(const WordKey& key) const {
    const Slot* set = &slots_[key.hash() & kSets];
    __builtin_prefetch(set);
    __builtin_prefetch(set + 1);
  }

  // Appends the ids of the word, which make(ids) appends if they are not remembered.
  template <class Make>
  void add(uint32_t owner, const WordKey& key, Ids& ids, Make&& make) {
    if (find(owner, key, ids)) return;
    const int64_t before = ids.size(), most = before + kMaxIds;
    make(ids);
    if (ids.size() <= most) put(owner, key, ids.data() + before, ids.size() - before);
  }

 private:
  // Appends the ids of the word; false: it is not here.
  bool find(uint32_t owner, const WordKey& key, Ids& ids) const {
    const Slot* set = &slots_[key.hash() & kSets];
    for (const Slot* slot = set; slot < set + kWays; ++slot) {
      if (!(slot->key == key) || slot->owner >> 4 != owner) continue;
      ids.append_some(slot->ids, slot->owner & 15, kMaxIds);
      return true;
    }
    return false;
  }

  // The newest word of a set comes first, and the oldest goes.
  void put(uint32_t owner, const WordKey& key, const int32_t* ids, int64_t count) {   // count <= kMaxIds
    Slot* set = &slots_[key.hash() & kSets];
    std::memmove(set + 1, set, (kWays - 1) * sizeof(Slot));
    set->key = key;
    set->owner = owner << 4 | uint32_t(count);
    std::memcpy(set->ids, ids, size_t(count) * sizeof(int32_t));
  }

  static constexpr size_t kSlots = 1 << 16;   // 4 MiB; the words in use stay near the core
  static constexpr size_t kWays = 4, kSets = (kSlots - 1) & ~(kWays - 1);   // the second: a mask
  struct alignas(64) Slot {   // one cache line
    WordKey key{};
    uint32_t owner = 0;   // and the number of ids in the lowest 4 bits
    int32_t ids[kMaxIds];
  };
  static_assert(sizeof(Slot) == 64);

  std::unique_ptr<Slot[]> slots_{new Slot[kSlots]};
};

}  // namespace fastplm::text
