// Places in a text that no token reaches across. Merges on either side of one never meet, so that the parts between
// them can be encoded, known and remembered one by one: a clause of Chinese comes once, what it is made of again and
// again.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>
#include "text/base/utf8.h"

namespace fastplm::text {

class Cuts {
 public:
  // Of all tokens, as they stand in a text; bytes of parts of a character are welcome at their ends.
  explicit Cuts(const std::vector<std::string_view>& tokens);

  // Finds the ends of parts from `text` on, where one begins: as many as there is room for, or all up to `end`, which
  // is behind `text`. Part i is text[ends[i - 1] .. ends[i]). Returns how many. Not every place where no token reaches
  // across ends a part.
  size_t find(const char* text, const char* end, uint32_t* ends, size_t room) const;

  // Calls row(text, bounds, count) for the parts of `count` words in a row, in order, at most kMaxParts at a time. Word
  // or part i is text[bounds[i] .. bounds[i + 1]). Words of ASCII stay whole.
  template <size_t kMaxParts, class Row>
  void parts(const char* text, const uint32_t* bounds, size_t count, const Row& row) const {
    uint32_t found[kMaxParts + 1];
    found[0] = 0;
    size_t n = 0;
    const char* from = text;
    const auto add = [&](const char* part_end) {
      found[++n] = uint32_t(part_end - from);
      if (n < kMaxParts) return;
      row(from, found, n);
      from = part_end;
      n = 0;
    };
    const char* p = text;
    for (size_t i = 0; i < count; ++i) {
      const char* const end = text + bounds[i + 1];
      char32_t before = next_character(p);
      while (p < end) {
        const char* const at = p;
        const char32_t behind = next_character(p);
        if ((before | behind) >= 0x80 && is_free(at, before, behind)) add(at);
        before = behind;
      }
      add(end);
    }
    if (n > 0) row(from, found, n);
  }

 private:
  // Whether no token reaches across `at`, between these two characters.
  bool is_free(const char* at, char32_t before, char32_t behind) const {
    if (reaches_across(at)) return false;
    if ((before | behind) < 0x80) return true;
    const size_t bit = bit_of(before, behind);
    return !(pairs_[bit / 64] >> bit % 64 & 1);
  }
  bool reaches_across(const char* at) const {
    const auto before = uint8_t(at[-1]), behind = uint8_t(at[0]);
    return bytes_[before][behind / 64] >> behind % 64 & 1;
  }
  size_t bit_of(char32_t before, char32_t behind) const {
    constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15u;   // 2^64 / golden ratio
    return size_t((uint64_t(before) << 32 | behind) * kGoldenRatio >> shift_);
  }

  // Which bytes stand side by side in a token: two of ASCII, or the last of a character and the first of the next one
  // if the token has only a part of one of them.
  std::array<std::array<uint64_t, 4>, 256> bytes_{};
  std::vector<uint64_t> pairs_;   // a bit for the hash of each other two characters side by side in a token
  int shift_;
};

}  // namespace fastplm::text
