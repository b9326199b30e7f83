// The words of a vocabulary that are one token each, for a look at one cache line.
#pragma once
#include <cstdint>
#include <span>
#include "core/buffer.h"
#include "kernels/kernels.h"
#include "text/lookup/token_matcher.h"

namespace fastplm::text {

// Not every word has a place: one that is longer than 12 bytes, or finds its line full, is not known. Those that come
// first in the vocabulary, which are the frequent ones, come first here.
class KnownWords {
 public:
  // Of tokens, each once: those that merges make of what they are written with, or `all`.
  KnownWords(const TokenMatcher& matcher, std::span<const TokenMatcher::Entry> tokens, bool all);

  // Keys of `count` words in a row, up to kMaxWords, and the ids of those that are known; the result has a bit for
  // each that is not. Word i is text[bounds[i] .. bounds[i + 1]); nothing is read at or behind `end`.
  uint64_t find(const char* text, const uint32_t* bounds, size_t count, const char* end, WordKey* keys,
                int32_t* ids) const {
    return kernels().find_words({text, bounds, int(count), end, memory_.as<TokenLine>(), lines_, keys, ids});
  }

 private:
  uint64_t lines_;
  Buffer memory_;
};

}  // namespace fastplm::text
