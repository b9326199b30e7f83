// Byte-level pre-tokenizing and byte-pair encoding in one pass over the text: the ids only, without writing bytes as
// characters. It gives the answer of the stages it replaces, and is derived from them.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include "text/bpe.h"
#include "text/ids.h"
#include "text/word_cache.h"

namespace fastplm::text {

class ByteBpe {
 public:
  // Finds the words at the beginning of [p, end), which is not empty: writes where each ends, at most `most`, and
  // returns how many. Words lie end to end.
  using FindWords = size_t (*)(const char* p, const char* end, const char** ends, size_t most);

  // Whether `model` can be used so: it knows every byte, and a symbol is a vocabulary's token as it stands.
  static bool fits(const Bpe& model, const Vocabulary& vocabulary);
  ByteBpe(const Bpe& model, const Vocabulary& vocabulary, FindWords find_words, bool add_prefix_space);

  // Appends the ids of `text`, which is not empty; may stop once `ids` holds `limit`.
  void run(std::string_view text, int64_t limit, Ids& ids) const;

 private:
  void find(std::string_view text, int64_t limit, Ids& ids) const;
  void add_word(std::string_view word, Ids& ids) const;

  const Bpe& model_;
  const Vocabulary& vocabulary_;
  FindWords find_words_;
  bool add_prefix_space_;
  std::array<int32_t, 256> byte_ids_;
  uint32_t owner_;   // of its words in the cache
};

}  // namespace fastplm::text
