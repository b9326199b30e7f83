#include "text/stages/bert.h"

#include "text/stages/normal_form.h"

namespace fastplm::text {

BertNormalizer::BertNormalizer(const Value& settings)
    : clean_text_(settings.b("clean_text")),
      handle_chinese_chars_(settings.b("handle_chinese_chars")),
      strip_accents_(settings.b("strip_accents", settings.b("lowercase"))),
      lowercase_(settings.b("lowercase")) {}

Expansion BertNormalizer::clean(char32_t c) const {
  Expansion result;
  const uint8_t flags = clean_text_ ? Unicode::get().flags(c) : 0;
  if (!(flags & kControl)) result.add(flags & kWhite ? U' ' : c);
  return result;
}

bool BertNormalizer::isolates(char32_t c) const { return handle_chinese_chars_ && Unicode::get().has(c, kChinese); }

Expansion BertNormalizer::strip_and_lower(char32_t c) const {
  const Unicode& unicode = Unicode::get();
  if (strip_accents_ && unicode.has(c, kMark)) return {};
  if (lowercase_) return unicode.lowercase(c);
  Expansion same;
  same.add(c);
  return same;
}

void BertNormalizer::run(Text& text) const {
  rewrite(text, [&](char32_t c, auto put) {
    for (char32_t cleaned : clean(c)) {
      const bool isolated = isolates(cleaned);
      if (isolated) put(U' ');
      put(cleaned);
      if (isolated) put(U' ');
    }
  });
  if (strip_accents_) to_normal_form(text, Form::kNfd);
  rewrite(text, [&](char32_t c, auto put) {
    for (char32_t kept : strip_and_lower(c)) put(kept);
  });
}

Expansion BertNormalizer::normalize(char32_t c) const {
  Expansion result;
  for (char32_t cleaned : clean(c)) {
    if (!strip_accents_) return strip_and_lower(cleaned);
    for (char32_t part : Unicode::get().decompose(cleaned)) {
      for (char32_t kept : strip_and_lower(part)) result.add(kept);
    }
  }
  return result;
}

bool BertNormalizer::reordered(char32_t c) const {
  const Unicode& unicode = Unicode::get();
  return strip_accents_ && !unicode.has(c, kMark) && unicode.combining_class(c) != 0;
}

void BertPreTokenizer::run(Text& text, std::vector<Piece>& pieces) const {
  const Unicode& unicode = Unicode::get();
  split(pieces, [&](uint32_t begin, uint32_t end, auto add) {
    const char* const base = text.bytes.data();
    uint32_t start = begin;
    for (const char* p = base + begin; p < base + end;) {
      const auto at = uint32_t(p - base);
      const uint8_t flags = unicode.flags(next_character(p));
      if (!(flags & (kWhite | kPunctuation))) continue;
      add(start, at);
      start = uint32_t(p - base);
      if (!(flags & kWhite)) add(at, start);
    }
    add(start, end);
  });
}

}  // namespace fastplm::text
