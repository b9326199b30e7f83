// The "normalizer" section of tokenizer.json.
#include <algorithm>

#include "text/base/stage.h"
#include "text/stages/bert.h"
#include "text/stages/byte_level.h"
#include "text/stages/normal_form.h"
#include "text/stages/precompiled.h"
#include "text/stages/replacement.h"
#include "text/stages/sentencepiece_normalizer.h"
#include "text/stages/transform.h"
#include "text/unicode/character_bits.h"
#include "text/unicode/unicode.h"

namespace fastplm::text {

static bool is_ascii(std::string_view bytes) {
  uint8_t all = 0;
  for (char byte : bytes) all |= uint8_t(byte);   // to the end: this is done 16 bytes at a time
  return all < 0x80;
}

template <Form form>
struct NormalForm final : Normalizer {
  explicit NormalForm(const Value&) {}
  void run(Text& text) const override { to_normal_form(text, form); }
  bool keeps(std::string_view text) const override { return is_in_normal_form(text, form); }
};

struct Lowercase final : Normalizer {
  explicit Lowercase(const Value&) {}
  void run(Text& text) const override {
    const auto of_ascii = [](auto c) { return c >= 'A' && c <= 'Z' ? c + 0x20 : c; };
    if (is_ascii(text.bytes)) {
      for (char& byte : text.bytes) byte = char(of_ascii(byte));
      return;
    }
    const Unicode& unicode = Unicode::get();
    rewrite(text, [&](char32_t c, auto put) {
      if (c < 0x80) return put(of_ascii(c));
      if (!unicode.has(c, kLowers)) return put(c);
      for (char32_t lower : unicode.lowercase(c)) put(lower);
    });
  }
};

// White space at the ends.
class Strip final : public Normalizer {
 public:
  explicit Strip(const Value& s) : left_(s.b("strip_left")), right_(s.b("strip_right")) {}

  void run(Text& text) const override {
    const Unicode& unicode = Unicode::get();
    const char* begin = text.bytes.data();
    const char* end = begin + text.bytes.size();
    while (left_ && begin < end) {
      const char* next = begin;
      if (!unicode.has(next_character(next), kWhite)) break;
      begin = next;
    }
    while (right_ && begin < end) {
      const char* last = end;
      do --last;
      while (is_continuation(*last));
      const char* p = last;
      if (!unicode.has(next_character(p), kWhite)) break;
      end = last;
    }
    const auto from = size_t(begin - text.bytes.data()), size = size_t(end - begin);
    if (size == text.bytes.size()) return;
    Transform transform(text);
    transform.drop(from);
    transform.keep(size);
  }

 private:
  bool left_, right_;
};

class StripAccents final : public Normalizer {
 public:
  explicit StripAccents(const Value&) {}
  void run(Text& text) const override {
    if (keeps(text.bytes)) return;
    Transform transform(text);
    const char* const end = transform.old().data() + transform.old().size();
    for (const char* p = transform.old().data(); p < end;) {
      const char* const mark = next_mark(p, end);
      transform.keep(size_t(mark - p));
      if ((p = mark) == end) break;
      next_character(p);
      transform.drop(size_t(p - mark));
    }
  }
  bool keeps(std::string_view text) const override {
    const char* const end = text.data() + text.size();
    return next_mark(text.data(), end) == end;
  }

 private:
  static const char* next_mark(const char* p, const char* end) {
    const Unicode& unicode = Unicode::get();
    static const CharacterBits others([&](char32_t c) { return !unicode.is_mark(c); });
    while ((p = others.skip(p, end)) < end) {
      const char* next = p;
      if (unicode.is_mark(next_character(next))) break;
      p = next;
    }
    return p;
  }
};

struct Replace final : Normalizer {
  explicit Replace(const Value& s) : replacement(s, "normalizer") {}
  void run(Text& text) const override {
    if (!text.aligned) {
      text.bytes = replacement.apply(text.bytes);
      return;
    }
    Transform transform(text);
    size_t done = 0;
    replacement.find(transform.old(), [&](size_t begin, size_t end) {
      transform.keep(begin - done);
      transform.drop(end - begin);
      transform.insert(replacement.content());
      done = end;
    });
    transform.keep(transform.old().size() - done);
  }
  bool keeps(std::string_view text) const override { return !replacement.occurs_in(text); }
  const Replacement replacement;
};

// The first character's span goes to what comes in front of it, too. If that is nothing, the reference takes it
// away from the character itself.
struct Prepend final : Normalizer {
  explicit Prepend(const Value& s) : prefix(s.s("prepend")) {}
  void run(Text& text) const override {
    if (text.bytes.empty()) return;
    if (text.aligned && !prefix.empty()) text.spans.insert(text.spans.begin(), prefix.size(), text.spans[0]);
    if (text.aligned && prefix.empty()) {
      size_t i = 0;
      do text.spans[i++] = {text.origin, text.origin};
      while (i < text.bytes.size() && is_continuation(text.bytes[i]));
    }
    text.bytes.insert(0, prefix);
  }
  const std::string prefix;
};

// SentencePiece's own rules: some control characters go, and some characters become spaces.
struct Nmt final : Normalizer {
  explicit Nmt(const Value&) {}
  void run(Text& text) const override {
    rewrite(text, [](char32_t c, auto put) {
      const bool is_space = c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 ||
                            (c >= 0x200b && c <= 0x200f) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff ||
                            c == 0xfffd;
      const bool is_dropped = !is_space && ((c > 0 && c < 0x20) || c == 0x7f || c == 0x8f || c == 0x9f);
      if (!is_dropped) put(is_space ? U' ' : c);
    });
  }
};

struct ByteLevel final : Normalizer {
  explicit ByteLevel(const Value&) {}
  void run(Text& text) const override {
    rewrite(text, [](char32_t c, auto put) {
      char encoded[4];
      const int n = write_character(c, encoded);
      for (int i = 0; i < n; ++i) put(byte_level::kCharacters[uint8_t(encoded[i])]);
    });
  }
};

struct NormalizerSequence final : Normalizer {
  explicit NormalizerSequence(const Value& s) {
    for (const Value& entry : s.at("normalizers").array("normalizers")) parts.push_back(make_normalizer(entry));
  }
  void run(Text& text) const override {
    for (const auto& part : parts) part->run(text);
  }
  bool keeps(std::string_view text) const override {
    return std::all_of(parts.begin(), parts.end(), [&](const auto& part) { return part->keeps(text); });
  }
  std::vector<std::unique_ptr<Normalizer>> parts;
};

template <class T>
static std::unique_ptr<Normalizer> make(const Value& settings) {
  return std::make_unique<T>(settings);
}

struct {
  const char* type;
  std::unique_ptr<Normalizer> (*make)(const Value&);
} constexpr kNormalizers[] = {
    {"BertNormalizer", make<BertNormalizer>},
    {"ByteLevel", make<ByteLevel>},
    {"Lowercase", make<Lowercase>},
    {"NFC", make<NormalForm<Form::kNfc>>},
    {"NFD", make<NormalForm<Form::kNfd>>},
    {"NFKC", make<NormalForm<Form::kNfkc>>},
    {"NFKD", make<NormalForm<Form::kNfkd>>},
    {"Nmt", make<Nmt>},
    {"Precompiled", make<Precompiled>},
    {"Prepend", make<Prepend>},
    {"Replace", make<Replace>},
    {"SentencePiece", make<SentencePieceNormalizer>},
    {"Sequence", make<NormalizerSequence>},
    {"Strip", make<Strip>},
    {"StripAccents", make<StripAccents>},
};

std::unique_ptr<Normalizer> make_normalizer(const Value& settings) {
  return find_row(kNormalizers, settings, "normalizer").make(settings);
}

}  // namespace fastplm::text
