// Byte-pair encoding as the sentencepiece library computes it: any two neighbours that make a piece together may be
// joined, whether or not they are pieces themselves. The pair whose piece has the highest score comes first, the
// leftmost of equals. Without scores nothing is joined: the library's model of characters.
#pragma once
#include <array>
#include "text/base/maps.h"
#include "text/lookup/merges.h"
#include "text/lookup/user_symbols.h"
#include "text/lookup/word_cache.h"
#include "text/models/sentencepiece_model.h"

namespace fastplm::text {

class SentencePieceBpe final : public SentencePieceModel {
 public:
  // settings: those of SentencePieceModel, and scores, by id; null: none. Throws Error(kUnsupported) for scores and
  // unused pieces.
  SentencePieceBpe(const Value& settings, const Vocabulary& vocabulary);
  void tokenize(std::string_view text, std::vector<Token>& tokens) const override;
  void append_ids(std::string_view text, Ids& ids) const override;

 private:
  Merges make_merges(const Value& settings);   // and characters_, cuts_
  bool can_cut(const std::vector<Merges::Rule>& rules) const;
  // Calls part(begin, end) for parts of `text` that have nothing to do with each other.
  template <class Part>
  void cut(std::string_view text, Part&& part) const;
  // Passes the pieces of a part to found(id, begin, end), which is kUnknown for what is none.
  template <class Found>
  void join(std::string_view part, uint32_t begin, Found&& found) const;
  int32_t symbol_of(std::string_view character) const;

  UserSymbols symbols_;
  ByToken<int32_t> characters_;      // ids, above all pieces', of characters that are no pieces but join
  bool cuts_ = false;                // whether nothing joins U+2581 to other text before it
  Merges merges_;
  std::array<int32_t, 128> ascii_;   // symbols of plain ASCII characters
  WordCache::Owner owner_;
};

}  // namespace fastplm::text
