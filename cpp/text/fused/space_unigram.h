// Metaspace, perhaps after WhitespaceSplit, and Unigram in one pass over normalized text: the ids only, without
// writing U+2581 into the text. It gives the answer of the stages it replaces, and is derived from them.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include "text/base/ids.h"
#include "text/lookup/word_cache.h"
#include "text/models/unigram.h"
#include "text/unicode/character_bits.h"

namespace fastplm::text {

class SpaceUnigram {
 public:
  // For the stages `pre_tokenizer` (a section of tokenizer.json) and `model`; null where one of them does more or other
  // than this class: where words do not all begin with the replacement, or spaces do not part them.
  static std::unique_ptr<SpaceUnigram> make(const Value& pre_tokenizer, const Unigram& model);

  // Appends the ids of `text`; may stop once `ids` holds `limit`.
  void run(std::string_view text, int64_t limit, Ids& ids) const;

 private:
  SpaceUnigram(const Unigram& model, const std::string& mark, bool drops_white);
  // What may stand between words: all white space, or ' ' alone. The mark is looked for besides.
  bool is_between(char32_t c) const;
  const char* end_of_word(const char* p, const char* end) const;

  struct Word {
    const char* begin;   // behind the mark
    const char* end;
  };
  // Finds words from p on, where one or what is between them begins: as many as there is room for, or all up to `end`.
  // Returns how many, and where to go on in p.
  size_t find_words(const char*& p, const char* end, Word* words, size_t room) const;
  // The same in up to 64 bytes at p, as far as they are plain ASCII. Does not move p if they need a closer look.
  size_t find_plain_words(const char*& p, const char* end, Word* words, size_t room) const;
  // Passes over one character between words, or finds one word.
  size_t find_word(const char*& p, const char* end, Word* words) const;

  const Unigram& model_;
  std::string mark_;     // what a space is written as; each word begins with it
  char32_t mark_character_;
  bool drops_white_;
  CharacterBits letters_;   // what words are made of, behind the mark
  WordCache::Owner owner_;
};

}  // namespace fastplm::text
