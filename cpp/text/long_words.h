// The part of the word cache for words of any length: their bytes and ids one after the other in a block of memory.
#pragma once
#include <cstdint>
#include <string_view>
#include "core/buffer.h"
#include "text/ids.h"

namespace fastplm::text {

// A full block becomes the old one, in which words are still found, and the one that was old is begun anew: words that
// come again and again stay. At most two blocks of 4.5 MiB, taken when they are needed.
class LongWords {
 public:
  static constexpr size_t kMaxSize = 255;
  static constexpr int64_t kMaxIds = 255;

  // Appends the ids of the word; false: it is not here. word.size() <= kMaxSize.
  bool find(uint32_t owner, std::string_view word, Ids& ids);
  // The word is not here; count <= kMaxIds.
  void put(uint32_t owner, std::string_view word, const int32_t* ids, int64_t count);

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
    bool find(uint32_t owner, std::string_view word, uint64_t hash, const int32_t** ids, int64_t* count) const;
    bool put(uint32_t owner, std::string_view word, uint64_t hash, const int32_t* ids, int64_t count);  // false: full
    void clear();

   private:
    static constexpr size_t kEntries = size_t(1) << 16;
    static constexpr size_t kMostRecords = kEntries / 2;
    static constexpr size_t kBytes = size_t(4) << 20;
    static constexpr size_t kBegin = 8;  // of the first record: its offset is not 0

    Buffer memory_;
    Entry* entries_ = nullptr;
    char* log_ = nullptr;
    size_t used_ = kBegin, records_ = 0;
  };

  Block current_, old_;
};

}  // namespace fastplm::text
