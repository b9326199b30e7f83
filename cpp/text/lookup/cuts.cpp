#include "text/lookup/cuts.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/kernels.h"

namespace fastplm::text {

// Of the character whose first byte this is; 0: it is not a first one.
static size_t size_of(char first) {
  const auto byte = uint8_t(first);
  return byte < 0x80 ? 1 : byte < 0xc0 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

Cuts::Cuts(const std::vector<std::string_view>& tokens) {
  std::vector<std::pair<char32_t, char32_t>> pairs;
  for (const std::string_view token : tokens) {
    for (size_t i = 1; i < token.size(); ++i) {
      const size_t size = size_of(token[i]);
      if (size == 0) continue;
      size_t begin = i - 1;   // of the character before
      while (begin > 0 && is_continuation(token[begin])) --begin;
      const bool whole = size_of(token[begin]) == i - begin && token.size() - i >= size;
      if (!whole || (i - begin == 1 && size == 1)) {
        bytes_[uint8_t(token[i - 1])][uint8_t(token[i]) / 64] |= uint64_t(1) << uint8_t(token[i]) % 64;
      } else {
        const char *before = token.data() + begin, *behind = token.data() + i;
        const char32_t first = next_character(before);
        pairs.emplace_back(first, next_character(behind));
      }
    }
  }
  constexpr size_t kBitsOfPair = 16;   // at least: one place in 16 is taken for one that a token reaches across
  const size_t bits = std::bit_ceil(std::max<size_t>(pairs.size() * kBitsOfPair, 64));
  shift_ = 64 - std::countr_zero(bits);
  pairs_.resize(bits / 64);
  for (const auto& [before, behind] : pairs) {
    const size_t bit = bit_of(before, behind);
    pairs_[bit / 64] |= uint64_t(1) << bit % 64;
  }
}

size_t Cuts::find(const char* const text, const char* const end, uint32_t* const ends, const size_t room) const {
  constexpr size_t kWide = 64;
  const auto classify = kernels().ascii;
  uint32_t *out = ends, *const full = ends + room;
  const char* p = text;
  char32_t before = next_character(p);
  while (p < end && out < full) {
    if ((before | uint8_t(*p)) >= 0x80) {
      const char* const at = p;
      const char32_t behind = next_character(p);
      if (is_free(at, before, behind)) *out++ = uint32_t(at - text);
      before = behind;
      continue;
    }
    const char *const from = p - 1, *bytes = from;
    const size_t size = std::min(kWide, size_t(end - from));
    char last[kWide];
    if (size < kWide) {
      std::memset(last, -1, kWide);   // no ASCII
      std::memcpy(last, from, size);
      bytes = last;
    }
    AsciiClasses is;
    classify(bytes, is);
    const int plain = std::countr_zero(is.beyond);
    // Tokens do reach from a letter to a letter, and from a space.
    uint64_t left = ~(is.letter & (is.letter | is.space) << 1) & ~uint64_t(1);
    if (plain < 64) left &= (uint64_t(1) << plain) - 1;
    for (; left && out < full; left &= left - 1) {
      const char* const at = from + std::countr_zero(left);
      *out = uint32_t(at - text);
      out += !reaches_across(at);
    }
    if (left) break;
    p = from + plain;
    before = uint8_t(p[-1]);
  }
  if (p >= end && out < full) *out++ = uint32_t(end - text);
  return size_t(out - ends);
}

}  // namespace fastplm::text
