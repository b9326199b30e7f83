// What the patterns of byte-level tokenizers ask of a character: its general category as the reference's regex engine
// has it, one byte of flags.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>
#include "text/base/utf8.h"

namespace fastplm::text {

enum CharacterClass : uint8_t {
  kLetter = 1,        // \p{L}
  kNumber = 2,        // \p{N}
  kSpace = 4,         // \s
  kMarkClass = 8,     // \p{M}
  kUpper = 16,        // \p{Lu} \p{Lt}
  kLower = 32,        // \p{Ll}
  kPunct = 64,        // \p{P}
  kSymbol = 128,      // \p{S}
};

class CharacterClasses {
 public:
  static const CharacterClasses& get();   // built at the first call; keep the reference, a call costs a check

  uint8_t of(char32_t c) const { return blocks_[std::size_t(block_of_[c >> 8]) << 8 | (c & 255)]; }

  struct Character {
    uint8_t classes;
    uint8_t size;   // in bytes
  };
  // The character that begins at p.
  Character at(const char* p) const {
    if (const auto byte = uint8_t(*p); byte < 0x80) return {blocks_[byte], 1};
    const char* const begin = p;
    const uint8_t classes = of(next_character(p));
    return {classes, uint8_t(p - begin)};
  }

 private:
  CharacterClasses();
  std::array<uint8_t, 0x1100> block_of_;
  std::vector<uint8_t> blocks_;   // the first is that of U+0000
};

}  // namespace fastplm::text
