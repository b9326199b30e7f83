// SentencePiece's byte-pair encoding in one pass over the text as it came: the ids only, without writing U+2581 for its
// spaces. It gives the answer of the stages it replaces, and is derived from them.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include "text/base/ids.h"
#include "text/lookup/cuts.h"
#include "text/lookup/token_matcher.h"
#include "text/lookup/word_cache.h"
#include "text/models/bpe.h"
#include "text/unicode/character_bits.h"

namespace fastplm::text {

class SpaceBpe {
 public:
  // For these stages (sections of tokenizer.json, or null); null where one of them does more or other than this class:
  // U+2581 for spaces, perhaps one in front, and BPE with a token for every byte that no merge has to do with.
  static std::unique_ptr<SpaceBpe> make(const Value* normalizer, const Value* pre_tokenizer, const Bpe& model,
                                        const Vocabulary& vocabulary);

  // Appends the ids of `text`, which is not empty; may stop once `ids` holds `limit`. `begins`: it is the beginning of
  // the caller's text. False: the text holds what only the stages can deal with, and `ids` are as they were.
  bool run(std::string_view text, bool begins, int64_t limit, Ids& ids) const;

 private:
  // Before which texts a space is put: none, the beginning if it has none, all that have none, all.
  enum Prefix { kNone, kFirst, kMissing, kAlways };
  static bool read_stages(const Value* normalizer, const Value* pre_tokenizer, Prefix* prefix);

  SpaceBpe(const Bpe& model, std::unique_ptr<TokenMatcher> matcher, std::span<const TokenMatcher::Entry> tokens,
           const CharacterBits& characters, Prefix prefix);
  void append(std::string_view word, Ids& ids) const;

  const std::array<int32_t, 256>& bytes_;  // ids of <0x00> to <0xFF>
  KnownWords words_;
  Cuts cuts_;
  std::unique_ptr<TokenMatcher> matcher_;  // of tokens with a space for each U+2581
  CharacterBits characters_;  // which are tokens
  Prefix prefix_;
  WordCache::Owner owner_;
};

}  // namespace fastplm::text
