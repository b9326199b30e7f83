// Byte-level pre-tokenizing and byte-pair encoding in one pass over the text: the ids only, without writing bytes as
// characters. It gives the answer of the stages it replaces, and is derived from them.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include "text/base/ids.h"
#include "text/lookup/cuts.h"
#include "text/lookup/token_matcher.h"
#include "text/lookup/word_cache.h"
#include "text/models/bpe.h"
#include "text/stages/scanner.h"

namespace fastplm::text {

class ByteBpe {
 public:
  // For the stages `pre_tokenizer` (a section of tokenizer.json) and `model`; null where one of them does more or other
  // than this class.
  static std::unique_ptr<ByteBpe> make(const Value& pre_tokenizer, const Bpe& model, const Vocabulary& vocabulary);

  // Appends the ids of `text`, which is not empty; may stop once `ids` holds `limit`. `is_first`: nothing of the text
  // that was to be cut stands before it.
  void run(std::string_view text, bool is_first, int64_t limit, Ids& ids) const;

 private:
  ByteBpe(const Bpe& model, std::unique_ptr<TokenMatcher> matcher, std::span<const TokenMatcher::Entry> tokens,
          const Scanner& scanner, bool add_prefix_space);
  void scan(std::string_view text, int64_t limit, Ids& ids) const;
  void add_word(std::string_view word, Ids& ids) const;

  const Bpe& model_;
  KnownWords words_;
  Cuts cuts_;
  bool may_cut_;   // no token is one only where it is a whole word
  std::unique_ptr<TokenMatcher> matcher_;
  const Scanner& scanner_;
  bool add_prefix_space_;
  WordCache::Owner owner_;
};

}  // namespace fastplm::text
