// The words of a vocabulary that are one token each, for a look at one cache line.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>
#include "core/buffer.h"
#include "kernels/kernels.h"

namespace fastplm::text {

// Not every word has a place: one that is longer than 12 bytes, or finds its line full, is not known. Those that come
// first in the vocabulary, which are the frequent ones, come first here.
class KnownWords {
 public:
  struct Word {
    std::string_view bytes;
    int32_t id;
  };
  explicit KnownWords(const std::vector<Word>& words);  // each once

  // Keys of `count` words in a row, and the ids of those that are known, -1 for others. Word i is
  // text[ends[i - 1] .. ends[i]); nothing is read at or behind `end`.
  void find(const char* text, const uint32_t* ends, size_t count, const char* end, WordKey* keys, int32_t* ids) const {
    kernels().find_words({text, ends, int(count), end, memory_.as<TokenLine>(), lines_, keys, ids});
  }

 private:
  uint64_t lines_;
  Buffer memory_;
};

}  // namespace fastplm::text
