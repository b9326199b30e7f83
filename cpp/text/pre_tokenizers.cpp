// The "pre_tokenizer" section of tokenizer.json.
#include "text/bert.h"
#include "text/stage.h"
#include "text/unicode.h"

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

template <class T>
static std::unique_ptr<PreTokenizer> make(const Value&) {
  return std::make_unique<T>();
}

struct {
  const char* type;
  std::unique_ptr<PreTokenizer> (*make)(const Value&);
} constexpr kPreTokenizers[] = {
    {"BertPreTokenizer", make<BertPreTokenizer>},
    {"Whitespace", make<Whitespace>},
};

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Value& settings) {
  return find_row(kPreTokenizers, settings, "pre_tokenizer").make(settings);
}

}  // namespace fastplm::text
