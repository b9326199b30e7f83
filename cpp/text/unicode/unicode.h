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

enum class Form : uint8_t { kNfc, kNfd, kNfkc, kNfkd };

// A character replaced by up to N.
template <int N>
struct Characters {
  std::array<char32_t, N> characters{};
  int count = 0;
  void add(char32_t c) { characters[count++] = c; }
  const char32_t* begin() const { return characters.data(); }
  const char32_t* end() const { return begin() + count; }
};
using Expansion = Characters<4>;

class Unicode {
 public:
  static const Unicode& get();   // built at the first call, from compact tables

  uint8_t flags(char32_t c) const { return blocks_[std::size_t(block_of_[c >> 8]) << 8 | (c & 255)]; }
  bool has(char32_t c, CharacterFlag flag) const { return flags(c) & flag; }

  Expansion lowercase(char32_t c) const;

  // The full decompositions; c itself if it has none.
  static constexpr int kLongest = 18;
  Expansion decompose(char32_t c) const;                               // canonical
  Characters<kLongest> decompose_compatible(char32_t c) const;
  char32_t compose(char32_t first, char32_t second) const;             // 0: the two do not join

  int combining_class(char32_t c) const { return uint8_t(normal(c)); }   // 0: a starter
  // Whether c is a starter, is its own normal form, and never joins the character before it. Text may be cut
  // in front of it and normalized piece by piece.
  bool is_stable(char32_t c, Form form) const { return !(normal(c) & 0x100 << int(form)); }
  // Whether c, or the first character of its decomposition, may join the character before it or change places
  // with it.
  bool may_join(char32_t c) const { return normal(c) & kMayJoin; }
  // Any mark, spacing and enclosing ones too.
  bool is_mark(char32_t c) const { return normal(c) & kAnyMark; }

 private:
  static constexpr uint16_t kAnyMark = 0x1000, kMayJoin = 0x2000;
  struct Pair {
    char32_t first, second, composed;
  };

  Unicode();
  void read_flags();
  void read_normal_forms();
  void add_normal(char32_t c, int bits);
  uint16_t normal(char32_t c) const { return normal_[std::size_t(normal_block_of_[c >> 8]) << 8 | (c & 255)]; }

  std::array<uint8_t, 0x1100> block_of_;
  std::vector<uint8_t> blocks_;
  // Combining class, then a bit per form in which the character is not stable, then kAnyMark and kMayJoin.
  std::array<uint8_t, 0x1100> normal_block_of_{};
  std::vector<uint16_t> normal_;
  std::vector<Pair> pairs_;   // sorted
};

}  // namespace fastplm::text
