#include "text/known_words.h"

#include <algorithm>
#include <cstring>

namespace fastplm::text {

constexpr size_t kWordsOfLine = 2;  // on average: then one word in 27 finds its line full

KnownWords::KnownWords(const std::vector<Word>& words)
    : lines_(words.size() / kWordsOfLine + 1), memory_(int64_t(lines_ * sizeof(Line))) {
  std::memset(memory_.data(), 0, size_t(memory_.size()));
  for (const auto& [word, id] : words) {
    if (word.empty() || word.size() > kMaxSize) continue;
    const WordKey key = WordKey::of(word.data(), word.size(), word.data() + word.size());
    const Slot slot = slot_of(key, id);
    Line& line = lines()[line_of(key)];
    const auto free = std::ranges::find(line.slots, 0u, &Slot::rest);
    if (free != std::end(line.slots)) *free = slot;
  }
}

}  // namespace fastplm::text
