// The repeated substrings of words, as a tree: what a Unigram vocabulary is chosen from.
#pragma once
#include <cstdint>
#include <string>
#include <vector>
#include "text/training/word_counts.h"

namespace fastplm::text {

// The characters of all words, each word followed by kEnd. Words longer than kLongestWord are cut: lattices over them
// stay small and their probabilities inside the range of numbers.
struct Characters {
  static constexpr char32_t kEnd = 0;   // the character U+0000 is kZero here
  static constexpr char32_t kZero = 0x110000;
  static constexpr uint32_t kLongestWord = 384;

  explicit Characters(const WordCounts& words);   // throws Error(kValue) for 2^32 characters

  std::vector<char32_t> text;
  std::vector<uint32_t> begin{0};   // of every word, and behind the last
  std::vector<int64_t> counts;      // of every word

  uint32_t size(size_t word) const { return begin[word + 1] - begin[word] - 1; }
  std::string utf8(uint32_t at, uint32_t length) const;
};

// Every node is a string that is in the text: the first `length` characters at `place`. Its parent is the longest other
// node that it begins with. All characters of the text are nodes; so is every string of at most `longest` characters
// that occurs in more than one place and is followed by different things there (or has just that length), and every
// whole word that was counted more than once.
struct Substrings {
  struct Node {
    uint32_t place, length;
    int32_t parent;    // its index is smaller; -1: this is one character
    int64_t count;     // how often it occurs, words counted
  };
  Substrings(const Characters& characters, uint32_t longest);

  std::vector<Node> nodes;          // shorter ones first
  std::vector<int32_t> longest_at;  // for every place of the text, the longest node there; -1: the end of a word
};

}  // namespace fastplm::text
