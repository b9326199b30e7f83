// BertNormalizer, BertPreTokenizer and WordPiece in one pass over the text: the ids only, without making
// the normalized text. About 20 times as fast as the three stages one after the other, whose answer it
// gives; it is derived from them.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include "text/bert.h"
#include "text/ids.h"
#include "text/wordpiece.h"

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

  // Words of up to 12 ASCII letters and digits, by the bytes they have after lowercasing.
  struct Slot { uint64_t low; uint32_t high; int32_t id; };
  static uint64_t hash_of(uint64_t low, uint32_t high) {
    return (low + high * 0x9fb21c651e98df25u) * 0x9e3779b97f4a7c15u;
  }
  int32_t find_word(uint64_t low, uint32_t high) const {
    for (uint64_t at = hash_of(low, high) >> shift_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.low == low && slot.high == high) return slot.id;
      if (slot.id < 0) return -1;
    }
  }
  void add_word(std::string_view token, int32_t id);

  const BertNormalizer& normalizer_;
  const WordPiece& model_;
  std::vector<Action> actions_;   // of the characters below U+10000
  std::vector<Slot> slots_;
  uint64_t mask_ = 0;
  int shift_ = 0;
  uint64_t case_bits_ = 0;   // what makes an ASCII capital the letter it is matched as: 0x20 or 0
};

}  // namespace fastplm::text
