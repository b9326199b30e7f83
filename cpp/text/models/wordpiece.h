// WordPiece: the longest token at the front of the word, then the longest continuation, and so on.
#pragma once
#include "text/base/stage.h"
#include "text/lookup/trie.h"

namespace fastplm::text {

class WordPiece final : public Model {
 public:
  WordPiece(const Value& settings, const Vocabulary& vocabulary);
  void tokenize(std::string_view word, std::vector<Token>& tokens) const override;

  // Passes the tokens of `word`, of `characters` characters, to add(id, begin, end). If it cannot be cut
  // into known ones, passes nothing and returns false: the word is unknown().
  template <class Add>
  bool cut(std::string_view word, int64_t characters, Add&& add) const;

  // The id of unk_token. Throws Error(kValue) if the vocabulary lacks it.
  int32_t unknown() const;
  bool has_unknown() const { return unk_ >= 0; }
  int64_t max_characters() const { return max_characters_; }
  const std::string& continuing_prefix() const { return prefix_; }

 private:
  static constexpr uint32_t kStart = 0, kContinuation = 1;   // roots
  Trie trie_{2};
  std::string prefix_, unk_token_;
  int32_t unk_ = -1;
  int64_t max_characters_;
};

template <class Add>
bool WordPiece::cut(std::string_view word, int64_t characters, Add&& add) const {
  if (characters > max_characters_) return false;
  const char* const begin = word.data();
  const char* const end = begin + word.size();
  uint32_t root = kStart;
  for (const char* p = begin; p < end; root = kContinuation) {
    const Trie::Match match = trie_.longest(p, end, root);
    if (match.value < 0) return false;
    add(match.value, uint32_t(p - begin), uint32_t(match.end - begin));
    p = match.end;
  }
  return true;
}

}  // namespace fastplm::text
