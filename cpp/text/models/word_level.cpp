#include "text/models/word_level.h"

namespace fastplm::text {

WordLevel::WordLevel(const Value& settings, const Vocabulary& vocabulary)
    : vocabulary_(vocabulary), unk_token_(settings.s("unk_token")), unk_(vocabulary.id_of(unk_token_)) {}

void WordLevel::tokenize(std::string_view word, std::vector<Token>& tokens) const {
  int32_t id = vocabulary_.id_of(word);
  if (id < 0) id = unk_;
  if (id < 0) {
    fail(ErrorKind::kValue, "WordLevel: a word is unknown, and the vocabulary has no \"", unk_token_, '"');
  }
  tokens.push_back({id, 0, uint32_t(word.size())});
}

}  // namespace fastplm::text
