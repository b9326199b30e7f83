// 64 bytes of text at a time: where the plain ASCII among them parts, by the rules of a scanner.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include "kernels/kernels.h"

namespace fastplm::text::scanner {

// What a window must know of the rules.
struct WindowRules {
  enum Apostrophes { kSigns, kBeforeAll, kBehindWords } apostrophes;  // where contractions are looked for, if at all
  bool any_prefix, cased;
  int numbers;
  bool line_breaks, slash;
  bool numbers_apart;  // white space before a number ends as at the end of the text
};

// One bit for each byte from a place where a pre-token begins.
struct Window {
  uint64_t begins = 0;      // a pre-token begins here, unless something before it is hard
  uint64_t hard = 0;        // one that begins here needs a closer look
  uint64_t unsure_end = 0;  // the one that seems to end before this hard byte needs a closer look

  static constexpr size_t kBytes = 64;

  // Of `size` bytes and zeros behind them; if they are fewer than 64 the text ends there, which counts as a beginning.
  // Else what follows byte 63 is not known.
  template <WindowRules kRules>
  static Window of(const char* text, size_t size, const AsciiClasses& is) {
    const uint64_t end = size < kBytes ? uint64_t(1) << size : 0, inside = end - 1;
    uint64_t apostrophe = 0;  // those that may begin a contraction; all others are signs
    const uint64_t before_word = (is.letter | is.beyond) >> 1 | uint64_t(1) << 63;
    if constexpr (kRules.apostrophes == WindowRules::kBeforeAll)
      apostrophe = is.apostrophe & ~((is.sign | is.space) << 1) & before_word;
    if constexpr (kRules.apostrophes == WindowRules::kBehindWords)
      apostrophe = is.apostrophe & (is.letter | is.beyond) << 1 & before_word;
    const uint64_t sign = is.sign & ~apostrophe;
    const uint64_t other = ~(is.letter | is.digit | sign | is.space | is.white) & inside;
    Window window;
    window.hard = other;
    window.unsure_end = is.beyond | (other & sign << 1);
    if constexpr (kRules.apostrophes == WindowRules::kBehindWords) window.unsure_end |= apostrophe;

    // White space: a run of it ends a pre-token with its last line break, and before its last character.
    uint64_t run = is.space | is.white, breaks = 0;
    if constexpr (kRules.line_breaks) {
      const uint64_t behind_sign = is.line_break & ~(is.line_break + (is.line_break & sign << 1));
      run &= ~behind_sign;
      breaks = is.line_break & ~behind_sign;
      if constexpr (kRules.slash) {
        for (uint64_t next = sign & behind_sign << 1; next; next &= next - 1) {
          if (text[std::countr_zero(next)] != '/') continue;
          window.hard |= next & -next;
          window.unsure_end |= next & -next;
        }
      }
    }
    const uint64_t blank = run & ~breaks, first = run & ~(run << 1);
    uint64_t last = blank & ~(run >> 1), behind_break = blank & breaks << 1;
    const uint64_t before_break = (blank + behind_break) & ~blank & breaks;  // and behind one
    const uint64_t before_other = run & ~(run >> 1) & other >> 1;  // which may be white space too
    window.hard |= before_other & first;
    if (before_break | (before_other & ~first)) window.hard |= first & run >> 1;
    const uint64_t open = ~(~uint64_t(0) >> std::countl_one(run & ~uint64_t(1)));
    last &= ~(open | end >> 1);
    behind_break &= ~open;
    if constexpr (kRules.numbers_apart) last &= ~(is.digit >> 1);

    // The last character of white space may begin what follows.
    const uint64_t joined = kRules.any_prefix ? last & (is.letter | (is.space << 1 & sign)) >> 1
                                              : last & is.space & (is.letter | is.digit | sign) >> 1;
    const auto starts = [&](uint64_t part) { return part & ~(part << 1) & ~(joined << 1); };
    uint64_t words = starts(is.letter), numbers = starts(is.digit);
    if constexpr (kRules.any_prefix) {
      // A sign that stands alone between what is neither a space nor a sign and a letter belongs to the word.
      words &= ~((sign & ~(sign << 1) & ~(is.space << 1)) << 1);
    }
    if constexpr (kRules.cased) words |= is.letter & ~is.lower & is.lower << 1;
    if constexpr (kRules.numbers == 1) numbers = is.digit;
    if constexpr (kRules.numbers > 1) {
      static_assert(kRules.numbers == 3);
      const uint64_t fourth = is.digit & is.digit << 1 & is.digit << 2;
      for (uint64_t next = numbers; (next = next << 3 & fourth);) numbers |= next;
    }
    window.begins = window.hard | first | last | behind_break | words | numbers | starts(sign) | end;
    return window;
  }
};

}  // namespace fastplm::text::scanner
