// Character properties as the reference tokenizers have them: each follows a Unicode version of its own
// (see scripts/make_unicode_tables.py).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastplm::text {

enum CharacterFlag : uint8_t {
  kWhite = 1,          // White_Space
  kControl = 2,        // what BERT's clean_text removes
  kPunctuation = 4,    // BERT's punctuation
  kChinese = 8,        // what BERT puts spaces around
  kMark = 16,          // a nonspacing mark: what strip_accents removes
  kDecomposes = 32,    // has a canonical decomposition
  kLowers = 64,        // has another lowercase form
  kWordCharacter = 128,   // \w
};

// A character replaced by up to four.
struct Expansion {
  std::array<char32_t, 4> characters{};
  int count = 0;
  void add(char32_t c) { characters[count++] = c; }
  const char32_t* begin() const { return characters.data(); }
  const char32_t* end() const { return begin() + count; }
};

class Unicode {
 public:
  static const Unicode& get();   // built at the first call, from compact tables

  uint8_t flags(char32_t c) const { return blocks_[std::size_t(block_of_[c >> 8]) << 8 | (c & 255)]; }
  bool has(char32_t c, CharacterFlag flag) const { return flags(c) & flag; }

  Expansion decompose(char32_t c) const;   // the full canonical decomposition; c itself if it has none
  Expansion lowercase(char32_t c) const;
  int combining_class(char32_t c) const;   // 0: a starter, which ends a run of reorderable marks

 private:
  Unicode();
  std::array<uint8_t, 0x1100> block_of_;
  std::vector<uint8_t> blocks_;
};

}  // namespace fastplm::text
