#include "text/stages/scanner.h"

#include <algorithm>
#include <vector>

namespace fastplm::text {

// Kana and the Chinese characters that DeepSeek-V3's second Split names.
static bool is_kana_or_chinese(char32_t c) { return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x4e00 && c <= 0x9fa5); }

static char32_t next_of(const char* p) { return next_character(p); }

static bool is_ascii_letter(char c) { return char(c | 0x20) >= 'a' && char(c | 0x20) <= 'z'; }

const char* scan_deep_seek(const CharacterClasses& classes, const char* p, const char* const end) {
  using namespace scanner;
  constexpr uint8_t kWord = kLetter | kMarkClass, kSign = kPunct | kSymbol;
  // The last Split sees kana and Chinese characters apart from all else; numbers are finished. What it does not see
  // is a number here.
  const bool among_chinese = is_kana_or_chinese(next_of(p));
  const auto at = [&](const char* q) {
    auto c = classes.at(q);
    if (is_kana_or_chinese(next_of(q)) != among_chinese) c.classes = kNumber;
    return c;
  };
  const auto run_of = [&](const char* q, uint8_t wanted) {
    while (q < end) {
      const auto c = at(q);
      if (!(c.classes & wanted)) break;
      q += c.size;
    }
    return q;
  };
  const auto word = [&](const char* q) { return run_of(skip(q, end, ascii_letters), kWord); };
  const auto first = at(p);
  const char* const second = p + first.size;
  if (first.classes & kWord) return word(p);
  if (first.classes & kNumber) {
    const char* q = p;
    for (int i = 0; i < 3 && q < end && (at(q).classes & kNumber) && !is_kana_or_chinese(next_of(q)); ++i)
      q += at(q).size;
    return q;
  }
  if (first.classes & kSign) {
    const bool before_letters = first.size == 1 && second < end && is_ascii_letter(*second);
    if (before_letters) return std::find_if_not(skip(second, end, ascii_letters), end, is_ascii_letter);
  } else if (*p != '\r' && *p != '\n' && second < end && (at(second).classes & kWord)) {
    return word(second);
  }
  const char* const sign = *p == ' ' && second < end ? second : p;
  if (at(sign).classes & kSign) {
    const char* q = run_of(sign, kSign);
    while (!among_chinese && q < end && (*q == '\r' || *q == '\n')) ++q;
    return q;
  }
  if (first.classes & kSpace) {
    // What follows the white space is a number to this Split, or the end.
    const char* const stop = run_of(p, kSpace);
    const bool alone = stop < end && (at(stop).classes & kNumber);
    return white_space<true>(classes, p, alone ? stop : end);
  }
  // Characters that no alternative takes, up to one that may go before a letter.
  const char* q = p;
  while (q < end) {
    const auto c = at(q);
    if (c.classes != 0 || (q + c.size < end && (at(q + c.size).classes & kWord))) break;
    q += c.size;
  }
  return q;
}

template <ScannerRules kRules>
static const char* next_by(const char* p, const char* end) {
  return scan_one<kRules>(CharacterClasses::get(), p, end);
}
static const char* next_deep_seek(const char* p, const char* end) {
  return scan_deep_seek(CharacterClasses::get(), p, end);
}
template <ScannerRules kRules>
static constexpr Scanner make(const char* name) {
  using scanner::WindowRules;
  constexpr auto kApostrophes = kRules.contractions == ScannerRules::kNone     ? WindowRules::kSigns
                                : kRules.contractions == ScannerRules::kBehind ? WindowRules::kBehindWords
                                                                               : WindowRules::kBeforeAll;
  constexpr WindowRules kWindow{
      .apostrophes = kApostrophes,
      .any_prefix = kRules.any_prefix,
      .cased = kRules.words == ScannerRules::kCased,
      .numbers = kRules.numbers,
      .line_breaks = kRules.line_breaks,
      .slash = kRules.slash,
      .numbers_apart = false,
  };
  return {name, next_by<kRules>, scan_by<scan_one<kRules>, kWindow>};
}

constexpr scanner::WindowRules kDeepSeekWindow{
    .apostrophes = scanner::WindowRules::kSigns,
    .any_prefix = true,
    .cased = false,
    .numbers = 3,
    .line_breaks = true,
    .slash = false,
    .numbers_apart = true,
};

struct Row {
  Scanner scanner;
  std::vector<std::string_view> patterns;
};

static const std::vector<Row>& rows() {
  static const std::vector<Row> table = {
      {make<kGpt2>("gpt2"), {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"}},
      {make<kCl100k>("cl100k"),
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
        R"(\s+(?!\S)|\s+)"}},
      {make<kQwen2>("qwen2"),
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|)"
        R"(\s+(?!\S)|\s+)"}},
      {make<kQwen35>("qwen3.5"),
       {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|)"
        R"(\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {make<kO200k>("o200k"),
       {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
        R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
        R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {make<kTekken>("tekken"),
       {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
        R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
        R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"}},
      {{"deepseek-v3", next_deep_seek, scan_by<scan_deep_seek, kDeepSeekWindow>},
       {R"(\p{N}{1,3})", "[一-龥぀-ゟ゠-ヿ]+",
        R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|)"
        R"(\s*[\r\n]+|\s+(?!\S)|\s+)"}},
  };
  return table;
}

const Scanner* find_scanner(const std::string_view* patterns, size_t count) {
  for (const Row& row : rows()) {
    if (std::equal(row.patterns.begin(), row.patterns.end(), patterns, patterns + count)) return &row.scanner;
  }
  return nullptr;
}

const Scanner* find_scanner(std::string_view pattern) { return find_scanner(&pattern, 1); }

const Scanner& gpt2_scanner() { return rows().front().scanner; }

}  // namespace fastplm::text
