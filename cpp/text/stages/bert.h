// BERT's normalizer and pre-tokenizer.
#pragma once
#include "text/base/stage.h"
#include "text/unicode/unicode.h"

namespace fastplm::text {

class BertNormalizer final : public Normalizer {
 public:
  explicit BertNormalizer(const Value& settings);
  void run(Text& text) const override;

  // What one character becomes, without the spaces around Chinese ones. The same as run() gives for it
  // anywhere in a text without reordered() characters.
  Expansion normalize(char32_t c) const;
  bool isolates(char32_t c) const;   // whether run() puts spaces around it

  // Whether c stays and its place among combining neighbours may change.
  bool reordered(char32_t c) const;

 private:
  Expansion clean(char32_t c) const;
  Expansion strip_and_lower(char32_t c) const;

  bool clean_text_;             // drop control characters, make all white space ' '
  bool handle_chinese_chars_;   // put spaces around them
  bool strip_accents_;          // decompose, then drop nonspacing marks
  bool lowercase_;
};

// Removes white space, isolates punctuation.
struct BertPreTokenizer final : PreTokenizer {
  void run(Text& text, std::vector<Piece>& pieces) const override;
};

}  // namespace fastplm::text
