// Unigram as the sentencepiece library computes it: sums are floats, taken from the front of the whole text, and
// lowered where they grow large; user-defined pieces have a score by their length.
#pragma once
#include <optional>
#include "text/lookup/double_array.h"
#include "text/lookup/word_cache.h"
#include "text/models/sentencepiece_model.h"
#include "text/unicode/character_bits.h"

namespace fastplm::text {

class SentencePieceUnigram final : public SentencePieceModel {
 public:
  // settings: those of SentencePieceModel, and scores, by id.
  SentencePieceUnigram(const Value& settings, const Vocabulary& vocabulary);
  // Time is linear in the text (times the longest piece).
  void tokenize(std::string_view text, std::vector<Token>& tokens) const override;
  void append_ids(std::string_view text, Ids& ids) const override;

 private:
  struct Unit {   // a place in the trie
    uint32_t link;
    int32_t value;   // the id
    float score;
  };
  SentencePieceUnigram(const Value& settings, const Vocabulary& vocabulary, const std::vector<float>& scores);
  std::vector<std::pair<std::string_view, int32_t>> pieces() const;
  float score_of(int32_t id, const std::vector<float>& scores) const;
  template <class Found>
  void cut(std::string_view text, Found&& found) const;

  DoubleArray<Unit> pieces_;
  float unknown_score_;
  WordCache::Owner owner_;
};

}  // namespace fastplm::text
