#include "text/models/wordpiece.h"

namespace fastplm::text {

WordPiece::WordPiece(const Value& settings, const Vocabulary& vocabulary)
    : prefix_(settings.s("continuing_subword_prefix")),
      unk_token_(settings.s("unk_token")),
      unk_(vocabulary.id_of(unk_token_)),
      max_characters_(settings.i_in("max_input_chars_per_word", 0, INT64_MAX)) {
  for (int64_t i = 0; i < vocabulary.size(); ++i) {
    const std::string_view token = vocabulary.token(i);
    trie_.add(token, vocabulary.id(i), kStart);
    if (token.starts_with(prefix_)) trie_.add(token.substr(prefix_.size()), vocabulary.id(i), kContinuation);
  }
}

int32_t WordPiece::unknown() const {
  if (unk_ < 0) fail(ErrorKind::kValue, "WordPiece: a word is unknown, and the vocabulary has no \"", unk_token_, '"');
  return unk_;
}

void WordPiece::tokenize(std::string_view word, std::vector<Token>& tokens) const {
  const size_t before = tokens.size();
  const auto add = [&](int32_t id, uint32_t begin, uint32_t end) { tokens.push_back({id, begin, end}); };
  if (!cut(word, count_characters(word), add)) {
    tokens.resize(before);
    add(unknown(), 0, uint32_t(word.size()));
  }
}

}  // namespace fastplm::text
