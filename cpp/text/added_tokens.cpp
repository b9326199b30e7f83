#include "text/added_tokens.h"

#include <algorithm>
#include <cstring>

#include "text/unicode/unicode.h"

namespace fastplm::text {

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Vocabulary& vocabulary, const Normalizer* normalizer) {
  std::vector<AddedToken> special, ordinary;
  for (const AddedToken& token : tokens) {
    if (token.special && !token.content.empty() && special_.insert(token.content).second) special.push_back(token);
  }
  int64_t largest = vocabulary.size() - 1;
  for (AddedToken& token : tokens) {
    if (token.content.empty()) continue;
    int32_t id = id_of(token.content);
    if (id >= 0 && by_id_.at(id) == token) continue;
    if (id < 0) id = vocabulary.id_of(token.content);
    if (id < 0) {
      if (largest >= INT32_MAX)
        fail(ErrorKind::kFile, "tokenizer.json: no id is left for added token \"", token.content, '"');
      id = int32_t(largest + 1);
    }
    largest = std::max(largest, int64_t(id));
    ids_[token.content] = id;
    by_id_[id] = token;
    if (!special_.contains(token.content)) ordinary.push_back(std::move(token));
  }

  for (const std::vector<AddedToken>* group : {&special, &ordinary}) {
    for (const AddedToken& token : *group) {
      const int32_t id = ids_.at(token.content);
      Search& search = search_[token.normalized ? kNormalized : kRaw];
      Text text{.bytes = token.content};
      if (token.normalized && normalizer) normalizer->run(text);
      if (token.normalized) written_[id] = text.bytes;
      if (text.bytes.empty()) continue;
      search.trie.add(text.bytes, int32_t(search.patterns.size()));
      search.patterns.push_back({id, &by_id_.at(id), special_.contains(by_id_.at(id).content)});
      bool& first = search.is_first[uint8_t(text.bytes[0])];
      if (!first) search.first_bytes.push_back(text.bytes[0]);
      first = true;
    }
  }
}

int32_t AddedTokens::id_of(std::string_view content) const {
  const auto at = ids_.find(content);
  return at == ids_.end() ? -1 : at->second;
}

const std::string* AddedTokens::written(int32_t id) const {
  const auto normalized = written_.find(id);
  if (normalized != written_.end()) return &normalized->second;
  const auto token = by_id_.find(id);
  return token == by_id_.end() ? nullptr : &token->second.content;
}

AddedTokens::Match AddedTokens::next(const Search& search, std::string_view text, size_t from) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  for (const char* p = begin + from; p < end; ++p) {
    if (search.first_bytes.size() == 1) {
      p = static_cast<const char*>(std::memchr(p, search.first_bytes[0], size_t(end - p)));
    } else {
      p = std::find_if(p, end, [&](char byte) { return search.is_first[uint8_t(byte)]; });
    }
    if (!p || p == end) break;
    const Trie::Match match = search.trie.longest(p, end);
    if (match.value >= 0) return {size_t(p - begin), size_t(match.end - begin), &search.patterns[size_t(match.value)]};
  }
  return {0, 0, nullptr};
}

bool AddedTokens::accept(Match& match, std::string_view text, size_t from, bool skip_special) {
  const Unicode& unicode = Unicode::get();
  const char* const base = text.data();
  const auto character_before = [&](size_t at) {   // its first byte
    do --at;
    while (is_continuation(base[at]));
    return at;
  };
  const auto has = [&](size_t at, CharacterFlag flag) {
    const char* p = base + at;
    return unicode.has(next_character(p), flag);
  };
  if (skip_special && match.pattern->special) return false;
  const AddedToken& token = *match.pattern->flags;
  if (token.single_word) {
    if (match.begin > 0 && has(character_before(match.begin), kWordCharacter)) return false;
    if (match.end < text.size() && has(match.end, kWordCharacter)) return false;
  }
  if (token.lstrip) {
    while (match.begin > from && has(character_before(match.begin), kWhite))
      match.begin = character_before(match.begin);
    match.begin = std::max(match.begin, from);
  }
  if (token.rstrip) {
    while (match.end < text.size() && has(match.end, kWhite)) {
      do ++match.end;
      while (match.end < text.size() && is_continuation(base[match.end]));
    }
  }
  return true;
}

}  // namespace fastplm::text
