// Byte-pair encoding: a word's characters are joined by the vocabulary's merges (arXiv:1508.07909), with every
// variation of tokenizer.json: byte fallback, fused unknowns, prefixes and suffixes of subwords, ignored merges.
#pragma once
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include "text/base/stage.h"
#include "text/lookup/merges.h"
#include "text/lookup/word_cache.h"

namespace fastplm::text {

class Bpe final : public Model {
 public:
  // Keeps a reference to `vocabulary`. settings["rules"] are the merges as ids: left, right, what they make.
  Bpe(const Value& settings, const Vocabulary& vocabulary);
  void tokenize(std::string_view word, std::vector<Token>& tokens) const override;
  void append_ids(std::string_view word, Ids& ids) const override;

  const Merges& merges() const { return merges_; }
  // Whether a word that is a token is that token, whatever the merges would make of it.
  bool ignores_merges() const { return ignore_merges_; }
  // Whether a character's symbol is the vocabulary's token for it and nothing else.
  bool is_plain() const { return prefix_.empty() && suffix_.empty(); }
  // Whether a character without a token always becomes the tokens of its bytes, and no merge joins those to anything.
  bool bytes_are_apart() const;
  const std::array<int32_t, 256>& bytes() const { return fallback_; }   // ids of <0x00> to <0xFF>, -1: none

 private:
  Bpe(const Value& settings, const Vocabulary& vocabulary, const std::vector<Merges::Rule>& rules);
  // Calls part(begin, end) for parts of `word` that no merge joins.
  template <class Part>
  void cut(std::string_view word, Part&& part) const;
  // The symbols of a part after all merges; valid until the thread's next call.
  std::span<const Symbol> symbols_of(std::string_view part) const;
  void start(std::string_view word, std::vector<Symbol>& symbols) const;
  // Adds a character that the vocabulary lacks, `written` with its prefix and suffix.
  void start_unknown(std::string_view character, std::string_view written, std::vector<Symbol>& symbols,
                     Symbol& unknown) const;

  const Vocabulary& vocabulary_;
  std::string prefix_, suffix_, unk_token_;
  bool has_unk_token_, fuse_unk_, byte_fallback_, ignore_merges_;
  int32_t unk_;                            // -1: the vocabulary lacks it
  std::array<int32_t, 128> ascii_;         // ids of plain ASCII characters, -1: none
  std::array<int32_t, 256> fallback_;      // ids of <0x00> to <0xFF>, -1: none
  Merges merges_;
  bool cuts_;        // whether no merge joins U+2581 to another character before it
  WordCache::Owner owner_;
};

}  // namespace fastplm::text
