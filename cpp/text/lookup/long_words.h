// The part of the word cache for words of any length: their bytes and ids one after the other in a block of memory.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>
#include "core/buffer.h"
#include "text/base/ids.h"

namespace fastplm::text {

// A full block becomes the old one, in which words are still found, and the one that was old is begun anew: words that
// come again and again stay. At most two blocks of 4.5 MiB, taken when they are needed.
class LongWords {
 public:
  static constexpr size_t kMaxSize = 255;
  static constexpr int64_t kMaxIds = 255;

  // Where a word is until its block is begun anew.
  struct Place {
    uint32_t offset;  // 0: nowhere
    uint32_t block;
  };
  // Appends the ids of the word that is there, if its block is still the current one.
  bool append(const Place& place, Ids& ids) const {
    if (place.offset == 0 || place.block != current_.number()) return false;
    current_.append(place.offset, ids);
    return true;
  }
  // Of the word's bytes; every one of them takes part.
  static uint64_t hash_of(std::string_view word);
  // Asks the memory for what find() will look at.
  void prefetch(uint64_t hash) const { current_.prefetch(hash); }
  // Appends the ids of the word; nowhere: it is not here. word.size() <= kMaxSize.
  Place find(uint32_t owner, std::string_view word, uint64_t hash, Ids& ids);
  // The word is not here. Nowhere: it is too long, or has too many ids.
  Place put(uint32_t owner, std::string_view word, uint64_t hash, const int32_t* ids, int64_t count);

 private:
  struct Record {   // then `size` bytes, zeros up to a multiple of 4, and `count` ids
    uint32_t owner;
    uint16_t size, count;
  };
  struct Entry {
    uint32_t hash, offset;   // offset 0: free
  };
  class Block {
   public:
    uint32_t number() const { return number_; }
    // Appends the ids of a record and returns how many they are.
    int64_t append(uint32_t offset, Ids& ids) const {
      Record record;
      std::memcpy(&record, log_ + offset, sizeof(record));
      const auto* const found = reinterpret_cast<const int32_t*>(log_ + offset + sizeof(record) + padded(record.size));
      if (record.count <= kInlineIds)
        ids.append_padded(found, record.count, kInlineIds);
      else
        ids.append(found, record.count);
      return record.count;
    }
    void prefetch(uint64_t hash) const {
      if (entries_) __builtin_prefetch(entries_ + hash % kEntries);
    }
    // Offsets of records, or 0.
    uint32_t find(uint32_t owner, std::string_view word, uint64_t hash) const;
    uint32_t put(uint32_t owner, std::string_view word, uint64_t hash, const int32_t* ids, int64_t count);  // 0: full
    void clear(uint32_t number);

   private:
    static size_t padded(size_t bytes) { return (bytes + 3) & ~size_t(3); }
    static constexpr size_t kEntries = size_t(1) << 16;
    static constexpr size_t kMaxRecords = kEntries / 2;
    static constexpr size_t kBytes = size_t(4) << 20;
    static constexpr int64_t kInlineIds = 16;  // always copied, which is faster than just the ids there are
    static constexpr size_t kBegin = 8;  // of the first record: its offset is not 0

    Buffer memory_;
    Entry* entries_ = nullptr;
    char* log_ = nullptr;
    size_t used_ = kBegin, records_ = 0;
    uint32_t number_ = 0;
  };

  Block current_, old_;
  uint32_t blocks_ = 0;  // begun so far
};

}  // namespace fastplm::text
