// What words became, remembered between texts. A fixed amount of memory: new words take the place of old ones.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include "core/buffer.h"
#include "text/base/ids.h"
#include "text/lookup/known_words.h"
#include "text/lookup/long_words.h"
#include "text/lookup/word_key.h"

namespace fastplm::text {

// One for each thread, shared by all who remember words.
class WordCache {
  struct Slot;

 public:
  // Whose words they are.
  class Owner {
   public:
    Owner();

   private:
    friend class WordCache;
    uint32_t number_;
  };

  static WordCache& of_thread();

  // Appends the ids of a word, which make(word, ids) appends if they are not remembered. The text reaches to `end`.
  template <class Make>
  void add(const Owner& owner, std::string_view word, const char* end, Ids& ids, const Make& make) {
    const auto only = [&](size_t) { return word; };
    add_row<1>(owner, 1, only, end, ids, make);
  }

  // The same for up to kBatch words, word(0) and on, whose places are fetched from memory together.
  static constexpr size_t kBatch = kMaxWords;
  template <size_t kMaxCount = kBatch, class Word, class Make>
  void add_row(const Owner& owner, size_t count, const Word& word, const char* end, Ids& ids, const Make& make) {
    Place places[kMaxCount];
    for (size_t i = 0; i < count; ++i) {
      const std::string_view w = word(i);
      places[i] = w.size() <= kMaxKeySize ? place_of(key_of(w.data(), w.size(), end)) : place_of_long(w);
    }
    for (size_t i = 0; i < count; ++i) add_at(owner, places[i], word(i), ids, make);
  }

  // The same for words in a row, text[bounds[i] .. bounds[i + 1]), of which those that are known need not be
  // remembered. False, and nothing is added: they should be cut first, for one that is not known has more than ASCII,
  // and `may_cut`.
  template <class Make>
  [[gnu::noinline]] bool add_row(const Owner& owner, const KnownWords& words, const char* text, const uint32_t* bounds,
                                 size_t count, const char* end, bool may_cut, Ids& ids, const Make& make) {
    WordKey keys[kBatch];
    int32_t known[kBatch + kStep];
    const uint64_t unknown = words.find(text, bounds, count, end, keys, known);
    uint64_t bytes = 0;
    for (uint64_t left = unknown; left; left &= left - 1) {
      const WordKey& key = keys[std::countr_zero(left)];
      bytes |= key.parts[0] | key.parts[1];
    }
    if (may_cut && (bytes & 0x8080808080808080u)) return false;
    const auto word = [&](size_t i) { return std::string_view(text + bounds[i], bounds[i + 1] - bounds[i]); };
    Place places[kBatch];
    for (uint64_t left = unknown; left; left &= left - 1) {
      const auto i = size_t(std::countr_zero(left));
      places[i] = word(i).size() <= kMaxKeySize ? place_of(keys[i]) : place_of_long(word(i));
    }
    size_t done = 0;
    for (uint64_t left = unknown; left; left &= left - 1) {
      const auto i = size_t(std::countr_zero(left));
      add_known(known + done, i - done, ids);
      add_at(owner, places[i], word(i), ids, make);
      done = i + 1;
    }
    add_known(known + done, count - done, ids);
    return true;
  }

 private:
  // Of a short word with a place. With more, or none, it is kept where the long ones are.
  static constexpr int64_t kMaxIds = 3;
  static constexpr int kInLongWords = 0, kUnknown = -1;

  // Where a word may be.
  struct Place {
    WordKey key;  // of a long word its hash, in parts[0]
    Slot* set;
  };
  Place place_of(const WordKey& key) const {
    Slot* const set = &slots_[(hash_of(key) >> kShift) * kWays];
    __builtin_prefetch(set);
    return {key, set};
  }

  Place place_of_long(std::string_view word) const {
    const uint64_t hash = word.size() <= LongWords::kMaxSize ? LongWords::hash_of(word) : 0;
    long_words_.prefetch(hash);
    return {{{hash, 0}}, nullptr};
  }

  // Copies of a fixed size: how many there are of them can be foreseen more often than the number of ids. Writes, and
  // reads, up to kStep - 1 more.
  static void add_known(const int32_t* known, size_t count, Ids& ids) {
    if (count == 0) return;
    ids.reserve(int64_t(count + kStep - 1));
    int32_t* out = ids.data() + ids.size();
    for (size_t i = 0; i < count; i += kStep) std::memcpy(out + i, known + i, kStep * sizeof(int32_t));
    ids.resize(ids.size() + int64_t(count));
  }
  static constexpr size_t kStep = 16;

  template <class Make>
  void add_at(const Owner& owner, const Place& place, std::string_view word, Ids& ids, const Make& make) {
    if (word.size() > kMaxKeySize) {
      add_long(owner.number_, word, place.key.parts[0], ids, make);
      return;
    }
    ids.reserve(kMaxIds + 1);
    const int found = find(owner.number_, place, ids.data() + ids.size());
    if (found > 0) {
      ids.resize(ids.size() + found);
      return;
    }
    LongWords::Place at{};
    static_assert(sizeof(at) <= kMaxIds * sizeof(int32_t));
    if (found == kInLongWords) std::memcpy(&at, ids.data() + ids.size(), sizeof(at));
    if (!long_words_.append(at, ids)) add_short(owner.number_, place, found, word, ids, make);
  }

  // Writes kMaxIds + 1 values to ids and returns how many of them are the word's, kInLongWords (they are its place
  // among the long words) or kUnknown.
  static int find(uint32_t owner, const Place& place, int32_t* ids) {
    const auto has = [&](const Slot& slot) { return same(slot.key, place.key) & (slot.owner >> 2 == owner); };
    static_assert(kWays == 2);
    const bool first = has(place.set[0]), second = has(place.set[1]);
    const Slot& slot = place.set[second];  // no branch: which of the two it is cannot be foreseen
    std::memcpy(ids, slot.ids, (kMaxIds + 1) * sizeof(int32_t));  // and the owner: one move
    return first | second ? int(slot.owner & 3) : kUnknown;
  }

  // Of a word that is not where find() says. Not in line: the loop above keeps its registers.
  template <class Make>
  [[gnu::noinline]] void add_short(uint32_t owner, const Place& place, int found, std::string_view word, Ids& ids,
                                   const Make& make) {
    LongWords::Place at;
    if (found == kInLongWords) {
      at = add_long(owner, word, LongWords::hash_of(word), ids, make);
    } else {
      const int64_t before = ids.size();
      make(word, ids);
      const int64_t count = ids.size() - before;
      if (0 < count && count <= kMaxIds) {
        std::memcpy(renew(owner, place, int(count)).ids, ids.data() + before, size_t(count) * sizeof(int32_t));
        return;
      }
      at = long_words_.put(owner, word, LongWords::hash_of(word), ids.data() + before, count);
    }
    std::memcpy(renew(owner, place, kInLongWords).ids, &at, sizeof(at));
  }

  template <class Make>
  [[gnu::noinline]] LongWords::Place add_long(uint32_t owner, std::string_view word, uint64_t hash, Ids& ids,
                                              const Make& make) {
    if (word.size() > LongWords::kMaxSize) {
      make(word, ids);
      return {};
    }
    if (const LongWords::Place at = long_words_.find(owner, word, hash, ids); at.offset) return at;
    const int64_t before = ids.size();
    make(word, ids);
    return long_words_.put(owner, word, hash, ids.data() + before, ids.size() - before);
  }

  static constexpr size_t kSlots = size_t(1) << 17;  // 4 MiB
  static constexpr size_t kWays = 2;
  static constexpr int kShift = 64 - 16;  // 2^16 sets
  static_assert(kSlots / kWays == size_t(1) << (64 - kShift));
  struct alignas(32) Slot {  // a set is one cache line
    WordKey key{};
    int32_t ids[kMaxIds];
    uint32_t owner = 0;  // and in the lowest 2 bits the number of ids, 0: kInLongWords
  };
  static_assert(sizeof(Slot) == 32);

  // The slot for a word that is new or has changed: the newest of a set comes first, and the oldest goes.
  static Slot& renew(uint32_t owner, const Place& place, int found) {
    Slot* const set = place.set;
    if (!(same(set->key, place.key) && set->owner >> 2 == owner))
      std::memmove(set + 1, set, (kWays - 1) * sizeof(Slot));
    set->key = place.key;
    set->owner = owner << 2 | uint32_t(found);
    return *set;
  }

  WordCache();

  LongWords long_words_;
  Buffer memory_;
  Slot* slots_;
};

}  // namespace fastplm::text
