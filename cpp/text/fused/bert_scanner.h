// BertNormalizer, BertPreTokenizer and WordPiece in one pass over the text: the ids only, without making
// the normalized text. About six times as fast as the three stages one after the other, whose answer it
// gives; it is derived from them.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include "text/base/ids.h"
#include "text/lookup/word_table.h"
#include "text/models/wordpiece.h"
#include "text/stages/bert.h"

namespace fastplm::text {

class BertScanner {
 public:
  BertScanner(const BertNormalizer& normalizer, const WordPiece& model, const Vocabulary& vocabulary);

  // Appends the ids of `text` and returns true; may stop once `ids` holds `limit`. Returns false, with `ids`
  // as they were, where characters may change places (a few rare scripts): the stages must do that text.
  bool run(std::string_view text, int64_t limit, Ids& ids) const;

 private:
  // What a character does, by itself. The kinds up to kPunctuation are one character of normalized text.
  enum Kind : uint32_t { kLetter, kIsolated, kSpace, kDropped, kExpands, kReordered };
  struct Action {   // payload: the normalized character (kLetter) or the token id (kIsolated)
    uint32_t kind : 3, payload : 29;
  };
  class Word;
  struct Scan;

  Action action_of(char32_t c) const;
  Action action_at(char32_t c) const { return c < actions_.size() ? actions_[c] : action_of(c); }
  int32_t id_of_character(char32_t c) const;   // of a word that is this character alone; -1: no id fits

  // Cuts a word of `size` letters and digits into tokens as the model does; false: it is unknown.
  bool cut(ShortWord word, size_t size, Ids& ids) const;

  const BertNormalizer& normalizer_;
  const WordPiece& model_;
  std::vector<Action> actions_;   // of the characters below U+10000
  WordTable starts_, continuations_;   // the vocabulary's tokens of up to 12 ASCII letters and digits
  uint64_t case_bits_;            // what makes an ASCII capital the letter it is matched as: 0x20 or 0
};

}  // namespace fastplm::text
