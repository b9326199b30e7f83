// What the sentencepiece library does with a text before its model sees it, byte for byte: user-defined symbols stay as
// they are, the longest key of the charsmap is replaced everywhere else, white space is thinned out and written as
// U+2581. The library also puts a space in front of the text, or behind it; this is a pre-tokenizer here, as that space
// also goes to the parts of a text between added tokens.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include "text/base/stage.h"
#include "text/lookup/user_symbols.h"
#include "text/stages/charsmap.h"
#include "text/unicode/character_bits.h"

namespace fastplm::text {

class SentencePieceNormalizer final : public Normalizer {
 public:
  // settings: precompiled_charsmap, in base64 (null: none); remove_extra_whitespaces; escape_whitespaces;
  // treat_whitespace_as_suffix; user_defined_symbols, a list of strings.
  explicit SentencePieceNormalizer(const Value& settings);
  void run(Text& text) const override;

 private:
  struct Step {
    std::string_view by;  // what comes of the next `size` bytes
    size_t size;
  };
  Step next(const char* p, const char* end) const;
  // The end of what stays as it is, from p on; what follows may have to change or not.
  const char* skip_plain(const char* p, const char* end) const;

  UserSymbols symbols_;
  std::optional<Charsmap> charsmap_;
  bool removes_spaces_, suffix_;
  std::string_view space_;  // what a space is written as
  bool only_spaces_ = false;  // nothing else changes
  std::optional<CharacterBits> plain_;  // characters that stay, whatever follows them
  bool plain_ascii_[128] = {};  // ASCII that stays before other ASCII
};

class SentencePieceSpace final : public PreTokenizer {
 public:
  // settings: escape_whitespaces; suffix: whether the space comes behind the text; first_only: only the part that
  // begins the caller's text gets one, and only if it does not begin with one.
  explicit SentencePieceSpace(const Value& settings);
  // The first part of a text always gets a space in front, the last one always a space behind; other parts if they do
  // not begin (or end) with one.
  void run(Text& text, std::vector<Piece>& pieces) const override;
  bool asks_for_spans() const override { return first_only_; }

 private:
  std::string_view space_;
  bool suffix_, first_only_;
};

}  // namespace fastplm::text
