#include "text/stages/sentencepiece_normalizer.h"

#include <cstring>

#include "text/stages/piece_writer.h"

namespace fastplm::text {

constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";   // U+FFFD

static std::string_view space_of(const Value& settings) {
  return settings.b("escape_whitespaces") ? std::string_view("\u2581") : std::string_view(" ");
}

static const char* find_space(const char* p, const char* end) {
  const void* const found = std::memchr(p, ' ', size_t(end - p));
  return found ? static_cast<const char*>(found) : end;
}

static std::vector<std::string_view> read_symbols(const Value& settings) {
  std::vector<std::string_view> symbols;
  for (const Value& symbol : settings.at("user_defined_symbols").array("user_defined_symbols"))
    symbols.push_back(symbol.string("user_defined_symbols"));
  return symbols;
}

SentencePieceNormalizer::SentencePieceNormalizer(const Value& settings)
    : symbols_(read_symbols(settings)),
      removes_spaces_(settings.b("remove_extra_whitespaces")),
      suffix_(settings.b("treat_whitespace_as_suffix")),
      space_(space_of(settings)) {
  if (const Value* charsmap = settings.find("precompiled_charsmap"))
    charsmap_.emplace(charsmap->string("precompiled_charsmap"));
  only_spaces_ = !charsmap_ && symbols_.empty();
  if (only_spaces_) return;
  const auto begins_key = [&](std::string_view text) { return charsmap_ && charsmap_->begins_key(text); };
  plain_.emplace([&](char32_t c) {
    char bytes[4];
    const std::string_view character(bytes, size_t(write_character(c, bytes)));
    const bool maps = charsmap_ && charsmap_->longest(character).size > 0;   // itself, or its first bytes
    return c != ' ' && !symbols_.may_begin_with(bytes[0]) && !maps && !begins_key(character);
  });
  for (int first = 0; first < 128; ++first) {
    for (int second = 0; second < 128; ++second) {
      const char both[] = {char(first), char(second)};
      if (begins_key({both, 2})) return;   // none is plain then
    }
  }
  for (int c = 0; c < 128; ++c) {
    const char character = char(c);
    const bool maps = charsmap_ && charsmap_->longest({&character, 1}).size > 0;
    plain_ascii_[c] = c != ' ' && !symbols_.may_begin_with(character) && !maps;
  }
}

const char* SentencePieceNormalizer::skip_plain(const char* p, const char* end) const {
  if (only_spaces_) return find_space(p, end);
  if (is_continuation(*p)) return p;   // a key ended within a character
  const auto is_ascii = [&](const char* q) { return uint8_t(*q) < 0x80; };
  while (true) {
    const char* const begin = p;
    p = plain_->skip(p, end);
    while (p < end && is_ascii(p) && plain_ascii_[uint8_t(*p)] && (p + 1 == end || is_ascii(p + 1))) ++p;
    if (p == begin || p == end) return p;
  }
}

SentencePieceNormalizer::Step SentencePieceNormalizer::next(const char* p, const char* end) const {
  if (const size_t size = symbols_.longest(p, end)) return {{p, size}, size};
  if (charsmap_) {
    const Charsmap::Match match = charsmap_->longest({p, size_t(end - p)});
    if (match.size > 0) return {match.by, match.size};
  }
  if (is_continuation(*p)) return {kReplacementCharacter, 1};
  const char* q = p;
  next_character(q);
  return {{p, size_t(q - p)}, size_t(q - p)};
}

void SentencePieceNormalizer::run(Text& text) const {
  text.emptied = false;
  const std::string old = std::move(text.bytes);
  const std::vector<Span> old_spans = std::move(text.spans);
  text.bytes.clear();
  text.spans.clear();
  const char* p = old.data();
  const char* const end = p + old.size();
  if (removes_spaces_) {
    for (Step step{}; p < end && (step = next(p, end)).by == " ";) p += step.size;
  }
  if (p == end) return;

  text.bytes.reserve(old.size() + old.size() / 2 + 16);
  if (text.aligned) text.spans.reserve(text.bytes.capacity());
  const auto keep = [&](const char* to) {
    text.bytes.append(p, to);
    if (text.aligned)
      text.spans.insert(text.spans.end(), old_spans.begin() + (p - old.data()), old_spans.begin() + (to - old.data()));
    p = to;
  };
  bool after_space = removes_spaces_;
  while (p < end) {
    if (const char* const plain = skip_plain(p, end); plain > p) {
      keep(plain);
      after_space = false;
      continue;
    }
    Step step = next(p, end);
    while (after_space && step.by.starts_with(' ')) step.by.remove_prefix(1);
    const size_t before = text.bytes.size();
    for (char byte : step.by) {
      if (byte == ' ') {
        text.bytes += space_;
      } else {
        text.bytes += byte;
      }
    }
    if (text.aligned) {
      const auto at = size_t(p - old.data());
      const Span span{old_spans[at].begin, old_spans[at + step.size - 1].end};
      text.spans.insert(text.spans.end(), text.bytes.size() - before, span);
    }
    if (!step.by.empty()) after_space = removes_spaces_ && step.by.ends_with(' ');
    p += step.size;
  }
  while (removes_spaces_ && text.bytes.ends_with(space_)) text.bytes.resize(text.bytes.size() - space_.size());
  if (text.aligned) text.spans.resize(text.bytes.size());
  text.emptied = text.bytes.empty() && (!removes_spaces_ || suffix_);
}

SentencePieceSpace::SentencePieceSpace(const Value& settings)
    : space_(space_of(settings)), suffix_(settings.b("suffix")), first_only_(settings.b("first_only")) {}

void SentencePieceSpace::run(Text& text, std::vector<Piece>& pieces) const {
  const auto size = uint32_t(text.bytes.size()), space = uint32_t(space_.size());
  const auto span = [&](uint32_t at, bool behind) {
    const uint32_t character = !text.aligned ? 0 : behind ? text.spans[at].end : text.spans[at].begin;
    return Span{character, character};
  };
  if (text.emptied && !first_only_) {
    text.bytes = space_;
    text.spans.assign(text.aligned ? space : 0, Span{text.origin, text.origin});
    pieces.assign(1, {0, space});
    return;
  }
  if (pieces.size() == 1 && pieces[0].id < 0 && !first_only_) {   // nearly always
    const auto at = suffix_ ? size : 0;
    if (text.aligned)
      text.spans.insert(text.spans.begin() + at, space, suffix_ ? span(size - 1, true) : span(0, false));
    text.bytes.insert(at, space_);
    pieces[0].end += space;
    return;
  }
  PieceWriter writer(text, pieces);
  writer.run([&](const Piece& piece) {
    const std::string_view bytes(text.bytes.data() + piece.begin, piece.end - piece.begin);
    const bool has_space = suffix_ ? bytes.ends_with(space_) : bytes.starts_with(space_);
    const bool outermost = suffix_ ? piece.end == size : piece.begin == 0;
    const bool wanted = first_only_ ? !has_space && text.begins_at(piece.begin) : outermost || !has_space;
    if (wanted && !suffix_) writer.insert(space_, span(piece.begin, false));
    writer.copy(piece.begin, piece.end);
    if (wanted && suffix_) writer.insert(space_, span(piece.end - 1, true));
  });
}

}  // namespace fastplm::text
