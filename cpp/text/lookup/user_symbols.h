// SentencePiece's user-defined symbols: strings that are found in the text before anything else is, the longest first.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include "text/lookup/double_array.h"

namespace fastplm::text {

class UserSymbols {
 public:
  explicit UserSymbols(std::vector<std::string_view> symbols) {
    std::ranges::sort(symbols);
    symbols.erase(std::unique(symbols.begin(), symbols.end()), symbols.end());
    if (symbols.empty()) return;
    std::vector<std::pair<std::string_view, int32_t>> keys;
    for (std::string_view symbol : symbols) {
      keys.emplace_back(symbol, 0);
      if (!symbol.empty()) begins_[uint8_t(symbol[0])] = true;
    }
    trie_.emplace(keys, [](const TrieUnit& unit) { return unit; });
  }

  bool empty() const { return !trie_; }

  // Bytes of the longest symbol at p; 0: none begins there.
  size_t longest(const char* p, const char* end) const {
    size_t size = 0;
    if (!begins_[uint8_t(*p)]) return size;
    auto node = trie_->root();
    for (const char* q = p; q < end && trie_->step(node, *q);) {
      ++q;
      if (node.unit->value >= 0) size = size_t(q - p);
    }
    return size;
  }

  bool may_begin_with(char byte) const { return begins_[uint8_t(byte)]; }

 private:
  bool begins_[256] = {};
  std::optional<DoubleArray<TrieUnit>> trie_;
};

}  // namespace fastplm::text
