// Unigram (arXiv:1804.10959): of all ways to cut a word into pieces the one whose scores, log probabilities, have the
// largest sum. Sums are doubles, taken from the front; of equal ones the first found counts, whose last piece is the
// longest. A character that is no piece costs 10 more than the worst piece, and unknown characters side by side are
// one token.
#pragma once
#include <array>
#include <optional>
#include <string_view>
#include <vector>
#include "text/base/stage.h"
#include "text/lookup/double_array.h"
#include "text/lookup/word_cache.h"
#include "text/unicode/character_bits.h"

namespace fastplm::text {

class Unigram final : public Model {
 public:
  // settings: scores, by id; unk_id, may be null; byte_fallback.
  Unigram(const Value& settings, const Vocabulary& vocabulary);

  // Time is linear in the word (times the longest piece), memory where no cut between pieces is certain, too.
  // Throws Error(kValue) if a character is unknown and unk_id is null.
  void tokenize(std::string_view word, std::vector<Token>& tokens) const override;
  void append_ids(std::string_view word, Ids& ids) const override;
  void append_ids_uncached(std::string_view word, Ids& ids) const;  // without looking into the thread's cache of words
  int32_t spelled() const override { return unk_; }

 private:
  struct Piece {  // a place in the trie
    uint32_t link;
    int32_t value;  // the id
    double score;
  };
  Unigram(const Value& settings, const Vocabulary& vocabulary, const std::vector<double>& scores);
  // Passes the tokens of `word` to add(id, begin, end). Returns an unknown character where unk_id is null, else "".
  template <class Add>
  std::string_view cut(std::string_view word, Add&& add) const;
  template <class Add>
  void add_unknown(std::string_view unknown, uint32_t begin, Add&& add) const;

  DoubleArray<Piece> pieces_;
  std::optional<CharacterBits> no_piece_begins_;  // the characters that no piece begins with
  int32_t unk_;  // -1: none
  double unk_score_ = 0;
  bool byte_fallback_;
  std::array<int32_t, 256> bytes_;  // ids of <0x00> to <0xFF>, -1: none
  WordCache::Owner owner_;
};

}  // namespace fastplm::text
