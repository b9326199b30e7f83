// Scanners: the patterns by which byte-level tokenizers cut text into pre-tokens, written out by hand. They give what
// the regex engine gives for the pattern, byte for byte, at memory speed.
//
// The pre-tokens of such a pattern tile the text: each begins where the one before it ends. Where one ends depends on
// nothing before it, so a scan may begin at any place where a pre-token begins. Text is valid UTF-8.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include "kernels/kernels.h"
#include "text/stages/window.h"
#include "text/unicode/character_classes.h"

namespace fastplm::text {

// A scanner chosen at run time.
struct Scanner {
  const char* name;
  // The end of the pre-token that begins at p; p < end, where the text ends.
  const char* (*next)(const char* p, const char* end);
  // The same for up to `capacity` pre-tokens in a row, ends[i] being the distance of the i-th end from p (which must
  // fit); returns how many. All of the text is done if that is less than `capacity`, or the last end is end - p. The
  // way to call it from a loop that does something with each: a few hundred at a time.
  size_t (*scan)(const char* p, const char* end, uint32_t* ends, size_t capacity);
};

// The scanner for the regex of one Split, Isolated and not inverted, recognised by its exact text. Null: none.
const Scanner* find_scanner(std::string_view pattern);
// The scanner for the same kind of Split by each of these in turn (DeepSeek-V3 has three). Null: none.
const Scanner* find_scanner(const std::string_view* patterns, size_t count);
// The pattern that ByteLevel has built in: GPT-2's.
const Scanner& gpt2_scanner();

// --- The scanners as templates, for loops that want them inlined. -----------------------------

// What tells the patterns apart. All have the form
//   contraction | prefix? letters | numbers | other characters | white space
struct ScannerRules {
  enum Contractions {
    kNone,
    kAsWritten,     // 's|'t|'re|'ve|'m|'ll|'d before all else
    kAnyCase,       // (?i:'s|'t|'re|'ve|'m|'ll|'d) before all else
    kBehind,        // the same, as an optional end of letters
  } contractions;
  enum Words {
    kLetters,       // \p{L}+
    kWithMarks,     // [\p{L}\p{M}]+
    kCased,         // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+, else the same with + and *
  } words;
  bool any_prefix;  // letters follow [^\r\n\p{L}\p{N}]?, else everything but white space follows a ' '?
  int numbers;      // \p{N}{1,numbers}; 0: \p{N}+
  bool line_breaks; // \s*[\r\n]+ comes before other white space, and [\r\n]* ends other characters
  bool slash;       // ... [\r\n/]* does
};

constexpr ScannerRules kGpt2{ScannerRules::kAsWritten, ScannerRules::kLetters, false, 0, false, false};
constexpr ScannerRules kCl100k{ScannerRules::kAnyCase, ScannerRules::kLetters, true, 3, true, false};  // and Llama 3
constexpr ScannerRules kQwen2{ScannerRules::kAnyCase, ScannerRules::kLetters, true, 1, true, false};  // and Qwen 3
constexpr ScannerRules kQwen35{ScannerRules::kAnyCase, ScannerRules::kWithMarks, true, 1, true, false};
constexpr ScannerRules kO200k{ScannerRules::kBehind, ScannerRules::kCased, true, 3, true, true};  // and Llama 4
constexpr ScannerRules kTekken{ScannerRules::kNone, ScannerRules::kCased, true, 1, true, true};  // Mistral's

namespace scanner {

inline constexpr uint64_t kOnes = 0x0101010101010101, kHighBits = 0x8080808080808080;

// The high bit of each byte of x that is an ASCII character in [low, high].
inline uint64_t between(uint64_t x, char low, char high) {
  const uint64_t seven = x & ~kHighBits;
  const uint64_t at_least = seven + kOnes * uint64_t(0x80 - low);
  const uint64_t above = seven + kOnes * uint64_t(0x7f - high);
  return at_least & ~above & ~x & kHighBits;
}

// Past the bytes at p that classify() marks, as far as ASCII characters go in steps of one load.
template <class Classify>
inline const char* skip(const char* p, const char* end, Classify&& classify) {
  while (end - p >= 8) {
    uint64_t x;
    std::memcpy(&x, p, 8);
    if constexpr (std::endian::native == std::endian::big) x = __builtin_bswap64(x);
    const uint64_t others = classify(x) ^ kHighBits;
    if (others) return p + std::countr_zero(others) / 8;
    p += 8;
  }
  return p;
}
inline uint64_t ascii_letters(uint64_t x) { return between(x | kOnes * 0x20, 'a', 'z'); }
inline uint64_t ascii_lower(uint64_t x) { return between(x, 'a', 'z'); }

// The end of the run of characters from p for which has(classes) holds.
template <class Has>
inline const char* run(const CharacterClasses& classes, const char* p, const char* end, Has&& has) {
  while (p < end) {
    const auto c = classes.at(p);
    if (!has(c.classes)) break;
    p += c.size;
  }
  return p;
}

// The size of the contraction at the apostrophe p, or 0. Without regard to case, U+017F is an s too.
template <bool kAnyCase>
inline size_t contraction(const char* p, const char* end) {
  constexpr char kCaseBit = kAnyCase ? 0x20 : 0;
  if (end - p < 2) return 0;
  const char first = char(p[1] | kCaseBit);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (end - p < 3) return 0;
  const char second = char(p[2] | kCaseBit);
  if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l')) return 3;
  return kAnyCase && p[1] == '\xc5' && p[2] == '\xbf' ? 3 : 0;
}

// White space: up to its last line break if kLineBreaks, else all but the last character if something follows.
template <bool kLineBreaks>
inline const char* white_space(const CharacterClasses& classes, const char* const p, const char* const end) {
  const char* q = p;
  const char* last = p;
  const char* after_break = nullptr;
  while (q < end) {
    const auto c = classes.at(q);
    if (!(c.classes & kSpace)) break;
    if (kLineBreaks && (*q == '\r' || *q == '\n')) after_break = q + 1;
    last = q;
    q += c.size;
  }
  if (kLineBreaks && after_break) return after_break;
  return q == end || last == p ? q : last;
}

// Letters as the rules kCased have them, from p on.
struct CasedWord {
  const char* end;  // null: none
  bool first;  // whether the first form matches
};
inline CasedWord cased_word(const CharacterClasses& classes, const char* p, const char* end) {
  constexpr uint8_t kWord = kLetter | kMarkClass;
  const char* last = nullptr;  // behind the last character that both classes have
  const char* q = p;
  while (q < end) {
    const auto c = classes.at(q);
    if (!(c.classes & kWord)) break;
    if (c.classes & kLower) {
      q = skip(q, end, ascii_lower);
      return {run(classes, q, end, [](uint8_t k) { return (k & kWord) && !(k & kUpper); }), true};
    }
    q += c.size;
    if (!(c.classes & kUpper)) last = q;
  }
  // No lowercase letter: the first form ends with what may be its second half.
  if (last) return {last, true};
  return {q > p ? q : nullptr, false};
}

}  // namespace scanner

// The end of the pre-token that begins at p; p < end. scan_one<kCl100k>(CharacterClasses::get(), p, end).
template <ScannerRules kRules>
inline const char* scan_one(const CharacterClasses& classes, const char* p, const char* const end) {
  using namespace scanner;
  constexpr uint8_t kWord = kRules.words == ScannerRules::kLetters ? kLetter : kLetter | kMarkClass;
  // With kCased, a mark may be an "other" character as well as part of a word.
  constexpr uint8_t kKnownClasses =
      kLetter | kNumber | kSpace | (kRules.words == ScannerRules::kWithMarks ? kMarkClass : 0);

  const auto word = [&](const char* q) {
    return run(classes, skip(q, end, ascii_letters), end, [](uint8_t k) { return k & kWord; });
  };
  const auto others = [&](const char* q) {
    q = run(classes, q, end, [](uint8_t k) { return !(k & kKnownClasses); });
    if constexpr (kRules.line_breaks) {
      while (q < end && (*q == '\r' || *q == '\n' || (kRules.slash && *q == '/'))) ++q;
    }
    return q;
  };
  const auto behind = [&](const char* q) {
    if constexpr (kRules.contractions == ScannerRules::kBehind) {
      if (q < end && *q == '\'') q += contraction<true>(q, end);
    }
    return q;
  };

  const auto first = classes.at(p);
  const char* const second = p + first.size;

  if constexpr (kRules.words == ScannerRules::kCased) {
    if (first.classes & kLetter) return behind(cased_word(classes, p, end).end);
    if (!(first.classes & kNumber) && *p != '\r' && *p != '\n') {
      const CasedWord prefixed = second < end ? cased_word(classes, second, end) : CasedWord{nullptr, false};
      if (prefixed.end && prefixed.first) return behind(prefixed.end);
      if (first.classes & kMarkClass) return behind(cased_word(classes, p, end).end);
      if (prefixed.end) return behind(prefixed.end);
    }
  } else {
    if (first.classes & kWord) return word(second);
    if constexpr (kRules.contractions == ScannerRules::kAsWritten || kRules.contractions == ScannerRules::kAnyCase) {
      if (*p == '\'') {
        if (const size_t size = contraction<kRules.contractions == ScannerRules::kAnyCase>(p, end)) return p + size;
      }
    }
    if constexpr (kRules.any_prefix) {
      if (second < end && !(first.classes & kNumber) && *p != '\r' && *p != '\n') {
        if (const auto c = classes.at(second); c.classes & kWord) return word(second + c.size);
      }
    }
  }

  // A space before what is not a space.
  const char* q = p;
  uint8_t kind = first.classes;
  if (*p == ' ' && second < end) {
    const auto c = classes.at(second);
    if (!(c.classes & (kRules.any_prefix ? kKnownClasses : uint8_t(kSpace)))) {
      q = second;
      kind = c.classes;
      if (!kRules.any_prefix && (kind & kWord)) return word(q);
    }
  }
  if (kind & kNumber) {
    const char* limit = end;
    if constexpr (kRules.numbers > 0) {
      for (int i = 0; i < kRules.numbers && q < end; ++i) {
        const auto c = classes.at(q);
        if (!(c.classes & kNumber)) break;
        q += c.size;
      }
      limit = q;
    }
    return run(classes, q, limit, [](uint8_t k) { return k & kNumber; });
  }
  if (!(kind & kSpace)) return others(q);

  return white_space<kRules.line_breaks>(classes, p, end);
}

// The same for the three Splits of DeepSeek-V3 in turn: \p{N}{1,3}, then Chinese characters and kana, then
//   [ASCII punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// for which the text ends where the first two find something, and which leaves characters that none of them takes.
const char* scan_deep_seek(const CharacterClasses& classes, const char* p, const char* end);

// Scanner::scan with the loop around one(classes, p, end). Plain ASCII is cut 64 bytes at a time; everything else is
// left to `one`.
template <auto one, scanner::WindowRules kRules>
inline size_t scan_by(const char* const begin, const char* const end, uint32_t* ends, size_t capacity) {
  using scanner::Window;
  const CharacterClasses& classes = CharacterClasses::get();
  const auto classify = kernels().ascii;
  const char* p = begin;
  uint32_t* out = ends;
  uint32_t* const full = ends + capacity;
  while (out < full && p < end) {
    const size_t size = std::min(size_t(end - p), Window::kBytes);
    const char* bytes = p;
    char padded[Window::kBytes];
    if (size < Window::kBytes) {
      std::memset(padded, 0, sizeof(padded));
      std::memcpy(padded, p, size);
      bytes = padded;
    }
    AsciiClasses ascii;
    classify(bytes, ascii);
    const Window window = Window::of<kRules>(bytes, size, ascii);
    // All that begins behind p, up to the first hard one: there the one before it ends, if that is sure.
    const auto offset = uint32_t(p - begin);
    uint64_t sure = window.begins & (window.hard ^ (window.hard - 1)) & ~uint64_t(1) & ~window.unsure_end;
    if (sure) {
      for (; sure && out < full; sure &= sure - 1) *out++ = offset + uint32_t(std::countr_zero(sure));
      p = begin + out[-1];
      const bool behind = (window.hard >> (out[-1] - offset)) == 0;  // what begins there may go on behind the window
      if (behind || out == full) continue;
    }
    do {
      p = one(classes, p, end);
      *out++ = uint32_t(p - begin);
    } while (out < full && p < end && uint8_t(*p) >= 0x80);
  }
  return size_t(out - ends);
}

}  // namespace fastplm::text
