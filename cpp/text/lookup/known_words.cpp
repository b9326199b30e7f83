#include "text/lookup/known_words.h"

#include <algorithm>
#include <cstring>

#include "text/lookup/word_key.h"

namespace fastplm::text {

constexpr size_t kWordsOfLine = 2;   // on average: then one word in 27 finds its line full

KnownWords::KnownWords(const TokenMatcher& matcher, std::span<const TokenMatcher::Entry> tokens, bool all)
    : lines_(tokens.size() / kWordsOfLine + 1), memory_(int64_t(lines_ * sizeof(TokenLine))) {
  auto* const lines = memory_.as<TokenLine>();
  std::memset(lines, 0, size_t(memory_.size()));
  for (const auto& [bytes, id, is_symbol] : tokens) {
    if (bytes.empty() || bytes.size() > kTokenBytes || id >> kTokenIdBits || !(all || matcher.is_made(id))) continue;
    const WordKey key = key_of(bytes.data(), bytes.size(), bytes.data() + bytes.size());
    auto& slots = lines[line_of(key, lines_)].slots;
    const auto free = std::ranges::find(slots, 0u, &TokenLine::Slot::rest);
    if (free != std::end(slots)) *free = {key.parts[0], key.parts[1] | uint64_t(id) << kTokenIdShift};
  }
}

}  // namespace fastplm::text
