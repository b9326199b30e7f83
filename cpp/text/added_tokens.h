// Tokens that are found in the text before the model sees it: special ones, and those a user adds.
#pragma once
#include <string>
#include <string_view>
#include <vector>
#include "text/base/maps.h"
#include "text/base/stage.h"
#include "text/lookup/trie.h"

namespace fastplm::text {

struct AddedToken {
  std::string content;
  bool single_word = false;   // only between characters that are no \w
  bool lstrip = false;        // takes the white space on its left
  bool rstrip = false;
  bool normalized = true;     // is searched for in the normalized text, in its own normalized form
  bool special = false;       // is left out when decoding without special tokens
  bool operator==(const AddedToken&) const = default;
};

class AddedTokens {
 public:
  // A content that the vocabulary knows keeps that id. Another one gets the next id after all others. Empty
  // contents are ignored. A content that comes again replaces the flags it had.
  AddedTokens(std::vector<AddedToken> tokens, const Vocabulary& vocabulary, const Normalizer* normalizer);

  const ById<AddedToken>& by_id() const { return by_id_; }
  int32_t id_of(std::string_view content) const;   // -1: not there
  // How the token is written when ids become text: as it was searched for, so in its normalized form if it
  // is normalized. Null: the id is no added token's.
  const std::string* written(int32_t id) const;
  bool is_special(std::string_view content) const { return special_.contains(content); }

  // Two searches: for tokens that are not normalized in the text as it came, and for the others in
  // normalized text.
  enum Pass { kRaw, kNormalized };
  bool any(Pass pass) const { return !search_[pass].patterns.empty(); }

  // Cuts `text` at the tokens of one pass: found(begin, end, id) in order, id -1 for what lies between.
  // Covers the text without gaps. With skip_special, special tokens are ordinary text.
  template <class Found>
  void find(Pass pass, std::string_view text, bool skip_special, Found&& found) const;

 private:
  struct Pattern {
    int32_t id;
    const AddedToken* flags;
    bool special;
  };
  struct Search {
    Trie trie;
    std::vector<Pattern> patterns;
    std::vector<char> first_bytes;
    bool is_first[256] = {};
  };
  struct Match {
    size_t begin, end;
    const Pattern* pattern;
  };

  // The first match at or after `from`; pattern null: none.
  static Match next(const Search& search, std::string_view text, size_t from);
  // Whether the match counts; widens it by the white space it strips, but not before `from`.
  static bool accept(Match& match, std::string_view text, size_t from, bool skip_special);

  ById<AddedToken> by_id_;
  ById<std::string> written_;   // where it is not the content
  ByToken<int32_t> ids_;
  TokenSet special_;
  Search search_[2];
};

template <class Found>
void AddedTokens::find(Pass pass, std::string_view text, bool skip_special, Found&& found) const {
  const Search& search = search_[pass];
  size_t done = 0, from = 0;
  while (!search.patterns.empty()) {
    Match match = next(search, text, from);
    if (!match.pattern) break;
    from = match.end;
    if (!accept(match, text, done, skip_special)) continue;
    if (done < match.begin) found(done, match.begin, -1);
    found(match.begin, match.end, match.pattern->id);
    done = match.end;
  }
  if (done < text.size()) found(done, text.size(), -1);
}

}  // namespace fastplm::text
