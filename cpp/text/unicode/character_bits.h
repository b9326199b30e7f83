// A set of characters below U+10000, a bit for each: to pass quickly over text that consists of them.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>

namespace fastplm::text {

class CharacterBits {
 public:
  static constexpr char32_t kEnd = 0x10000;

  // has(c): whether c, no surrogate, is in the set.
  template <class Has>
  explicit CharacterBits(const Has& has) {
    for (char32_t c = 0; c < kEnd; ++c) {
      const bool is_surrogate = c >= 0xd800 && c < 0xe000;
      words_[c / 64] |= uint64_t(!is_surrogate && has(c)) << c % 64;
    }
    printable_ = words_[0] >> ' ' == ~uint64_t(0) >> ' ' && (words_[1] | uint64_t(1) << 63) == ~uint64_t(0);
  }

  bool has(char32_t c) const { return c < kEnd && words_[c / 64] >> c % 64 & 1; }

  // The first character from p on that is not in the set; `end` if there is none.
  const char* skip(const char* p, const char* end) const {
    const auto byte = [&](int i) { return uint8_t(p[i]); };
    const auto has_at = [&](unsigned word, int last) { return words_[word] >> (byte(last) & 63) & 1; };
    while (p < end) {
      if (byte(0) < 0x80) {
        if (printable_ && end - p >= 8 && eight_are_printable(p)) {
          p += 8;
          continue;
        }
        for (const char* const stop = end - p > 8 ? p + 8 : end; p < stop && byte(0) < 0x80; ++p) {
          if (!has_at(byte(0) / 64, 0)) return p;
        }
      } else if (byte(0) < 0xe0) {
        if (!has_at(byte(0) & 31, 1)) return p;
        p += 2;
      } else if (byte(0) < 0xf0) {
        do {
          if (!has_at((byte(0) & 15) << 6 | (byte(1) & 63), 2)) return p;
          p += 3;
        } while (p < end && (byte(0) & 0xf0) == 0xe0);
      } else {
        return p;
      }
    }
    return p;
  }

 private:
  // From ' ' to '~'. May be false where they are.
  static bool eight_are_printable(const char* p) {
    constexpr uint64_t kOnes = 0x0101010101010101u, kHighBits = 0x80 * kOnes;
    uint64_t eight;
    std::memcpy(&eight, p, sizeof(eight));
    // A high bit per byte beyond '~' (with 1 added, from 0x80 on) and per byte below ' ' (it takes a borrow, which may
    // reach a byte above).
    return ((eight | (eight + kOnes) | (eight - ' ' * kOnes)) & kHighBits) == 0;
  }

  std::array<uint64_t, kEnd / 64> words_{};
  bool printable_;   // whether all from ' ' to '~' are in it
};

}  // namespace fastplm::text
