// WordLevel: a word is a token or unknown.
#pragma once
#include <string>
#include "text/base/stage.h"

namespace fastplm::text {

class WordLevel final : public Model {
 public:
  // Keeps a reference to `vocabulary`. settings: unk_token, which the vocabulary may lack.
  WordLevel(const Value& settings, const Vocabulary& vocabulary);
  // Throws Error(kValue) if the word is unknown and the vocabulary lacks the unknown token.
  void tokenize(std::string_view word, std::vector<Token>& tokens) const override;

 private:
  const Vocabulary& vocabulary_;
  std::string unk_token_;
  int32_t unk_;   // -1: none
};

}  // namespace fastplm::text
