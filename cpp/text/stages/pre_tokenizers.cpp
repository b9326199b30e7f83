// The "pre_tokenizer" section of tokenizer.json.
#include "text/base/stage.h"
#include "text/regex/properties.h"
#include "text/stages/bert.h"
#include "text/stages/byte_level_pre_tokenizer.h"
#include "text/stages/metaspace.h"
#include "text/stages/sentencepiece_normalizer.h"
#include "text/stages/sequence.h"
#include "text/stages/split.h"
#include "text/unicode/unicode.h"

namespace fastplm::text {

// \w+|[^\w\s]+
struct Whitespace final : PreTokenizer {
  void run(Text& text, std::vector<Piece>& pieces) const override {
    const Unicode& unicode = Unicode::get();
    enum Kind { kSpace, kWord, kOther };
    split(pieces, [&](uint32_t begin, uint32_t end, auto add) {
      const char* const base = text.bytes.data();
      uint32_t start = begin;
      Kind previous = kSpace;
      for (const char* p = base + begin; p < base + end;) {
        const auto at = uint32_t(p - base);
        const uint8_t flags = unicode.flags(next_character(p));
        const Kind kind = flags & kWordCharacter ? kWord : flags & kWhite ? kSpace : kOther;
        if (kind == previous) continue;
        if (previous != kSpace) add(start, at);
        start = at;
        previous = kind;
      }
      if (previous != kSpace) add(start, end);
    });
  }
};

struct WhitespaceSplit final : PreTokenizer {
  void run(Text& text, std::vector<Piece>& pieces) const override {
    const Unicode& unicode = Unicode::get();
    split_at_characters(text, pieces, Behavior::kRemoved, [&](char32_t c) { return unicode.has(c, kWhite); });
  }
};

struct Punctuation final : PreTokenizer {
  explicit Punctuation(const Value& settings) : behavior(read_behavior(settings, "Isolated")) {}
  void run(Text& text, std::vector<Piece>& pieces) const override {
    const Unicode& unicode = Unicode::get();
    split_at_characters(text, pieces, behavior, [&](char32_t c) { return unicode.has(c, kPunctuation); });
  }
  Behavior behavior;
};

struct Digits final : PreTokenizer {
  explicit Digits(const Value& settings)
      : behavior(settings.b("individual_digits") ? Behavior::kIsolated : Behavior::kContiguous) {}
  void run(Text& text, std::vector<Piece>& pieces) const override {
    const CharacterSet& digits = pre_tokenizer_digits();
    split_at_characters(text, pieces, behavior, [&](char32_t c) { return digits.has(c); });
  }
  Behavior behavior;
};

struct CharDelimiterSplit final : PreTokenizer {
  explicit CharDelimiterSplit(const Value& settings) {
    const std::string& text = settings.s("delimiter");
    if (count_characters(text) != 1) fail(ErrorKind::kFile, "\"delimiter\" is \"", text, "\"; expected one character");
    const char* p = text.data();
    delimiter = next_character(p);
  }
  void run(Text& text, std::vector<Piece>& pieces) const override {
    split_at_characters(text, pieces, Behavior::kRemoved, [&](char32_t c) { return c == delimiter; });
  }
  char32_t delimiter;
};

// Cuts where the script changes. Spaces and the like belong to every script, but before the first character of any
// they are dropped.
struct UnicodeScripts final : PreTokenizer {
  void run(Text& text, std::vector<Piece>& pieces) const override {
    split(pieces, [&](uint32_t begin, uint32_t end, auto add) {
      const char* const base = text.bytes.data();
      uint32_t start = end;
      int last = 0;
      for (const char* p = base + begin; p < base + end;) {
        const auto at = uint32_t(p - base);
        const int script = pre_tokenizer_script(next_character(p));
        if (script == 0 || script == last) continue;
        if (last != 0) add(start, at);
        start = at;
        last = script;
      }
      add(start, end);
    });
  }
};

// Pieces of so many characters.
struct FixedLength final : PreTokenizer {
  explicit FixedLength(const Value& settings) : length(settings.i_in("length", 5, 1, INT64_MAX)) {}
  void run(Text& text, std::vector<Piece>& pieces) const override {
    split(pieces, [&](uint32_t begin, uint32_t end, auto add) {
      const char* const base = text.bytes.data();
      int64_t characters = 0;
      uint32_t start = begin;
      for (const char* p = base + begin; p < base + end;) {
        next_character(p);
        if (++characters % length != 0) continue;
        add(start, uint32_t(p - base));
        start = uint32_t(p - base);
      }
      add(start, end);
    });
  }
  int64_t length;
};

template <class T>
static std::unique_ptr<PreTokenizer> make(const Value& settings) {
  if constexpr (std::is_constructible_v<T, const Value&>) {
    return std::make_unique<T>(settings);
  } else {
    return std::make_unique<T>();
  }
}

struct {
  const char* type;
  std::unique_ptr<PreTokenizer> (*make)(const Value&);
} constexpr kPreTokenizers[] = {
    {"BertPreTokenizer", make<BertPreTokenizer>},
    {"ByteLevel", make<ByteLevelPreTokenizer>},
    {"CharDelimiterSplit", make<CharDelimiterSplit>},
    {"Digits", make<Digits>},
    {"FixedLength", make<FixedLength>},
    {"Metaspace", make<MetaspacePreTokenizer>},
    {"Punctuation", make<Punctuation>},
    {"SentencePiece", make<SentencePieceSpace>},
    {"Sequence", make<SequencePreTokenizer>},
    {"Split", make_split},
    {"UnicodeScripts", make<UnicodeScripts>},
    {"Whitespace", make<Whitespace>},
    {"WhitespaceSplit", make<WhitespaceSplit>},
};

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Value& settings) {
  return find_row(kPreTokenizers, settings, "pre_tokenizer").make(settings);
}

}  // namespace fastplm::text
