#include "text/lookup/token_matcher.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <numeric>

namespace fastplm::text {

constexpr size_t kMaxBytes = 256;

// What was tried out, remembered: in a run of one character the same pairs come again and again. Threads share it.
class TokenMatcher::Trials {
 public:
  Trials() {
    for (auto& slot : slots_) slot.store(kFree, std::memory_order_relaxed);
  }

  template <class Try>
  bool of(int32_t left, int32_t right, const Try& make) {
    const uint64_t pair = uint64_t(left) << 32 | uint64_t(right) << 1;   // and the answer in the lowest bit
    std::atomic<uint64_t>& slot = slots_[pair * kGoldenRatio >> (64 - kBits)];
    const uint64_t found = slot.load(std::memory_order_relaxed);
    if ((found & ~uint64_t(1)) == pair) return found & 1;
    const bool answer = make();
    slot.store(pair | answer, std::memory_order_relaxed);
    return answer;
  }

 private:
  static constexpr int kBits = 15;
  static constexpr uint64_t kFree = UINT64_MAX, kGoldenRatio = 0x9e3779b97f4a7c15u;   // 2^64 / golden ratio
  std::array<std::atomic<uint64_t>, size_t(1) << kBits> slots_;
};

// What merges do with two tokens side by side, seen from the end.
//
// A merge happens at a level: the highest rank so far. A token is made at the highest rank among its own merges, for
// while one of them is still to come, none of a higher rank is the next. So two symbols x and y, of which x is made at
// the end of the left token and y at the beginning of the right one, are joined if e = max(rank of (x, y), level of x,
// level of y) is below the levels at which x and y become part of something larger, and not joined if it is above one
// of them. If it is the same, the order within the level decides, and the merges are made one by one.
class TokenMatcher::Seam {
 public:
  Seam(const Merges& merges, const Tokens& tokens, Trials& trials)
      : merges_(merges), tokens_(tokens), trials_(trials) {}

  // Of the merge of these two, from 1 on; or kNever.
  uint32_t rank(int32_t left, int32_t right) const {
    const bool may_be = (tokens_[left].behind & Token::bit_of(right)) && (tokens_[right].before & Token::bit_of(left));
    const uint32_t rank = may_be ? merges_.of(left, right).rank : kNever;
    return rank == kNever ? rank : rank + 1;
  }

  // Whether merges leave the two tokens beside each other as they are. `again`: this was most likely asked before.
  bool allows(int32_t left, int32_t right, bool again) const {
    return rank(left, right) == kNever && (again ? holds_cached(left, right) : holds(left, right));
  }

  // holds(), from memory where it was asked so before.
  [[gnu::noinline]] bool holds_cached(int32_t left, int32_t right) const {
    return trials_.of(left, right, [&] { return holds(left, right); });
  }

  // Whether the merges of the symbols of both make first the two, joining nothing across the seam before.
  bool holds(const int32_t left, const int32_t right) const {
    int32_t x = left, y = right;
    while (true) {
      const uint32_t level_x = tokens_[x].level, level_y = tokens_[y].level;
      uint32_t larger;   // the level at which one of x and y becomes part of something larger
      if (level_x > level_y) {
        larger = level_x;
        x = tokens_[x].right;
      } else if (level_y > level_x) {
        larger = level_y;
        y = tokens_[y].left;
      } else if (level_x == 0) {
        return true;
      } else {
        larger = level_x;
        const int32_t before_x = tokens_[x].right, before_y = tokens_[y].left;
        if (rank(before_x, y) <= larger || rank(x, before_y) <= larger || tokens_[before_x].level == larger ||
            tokens_[before_y].level == larger)
          return try_out(left, right);
        x = before_x;
        y = before_y;
      }
      const uint32_t joined = rank(x, y);
      if (joined > larger) continue;
      const uint32_t level = std::max({joined, tokens_[x].level, tokens_[y].level});
      if (level < larger) return false;
      if (level == larger) return try_out(left, right);
    }
  }

 private:
  void add_symbols(int32_t token, std::vector<int32_t>& symbols) const {
    std::vector<int32_t> open{token};
    while (!open.empty()) {
      const int32_t next = open.back();
      open.pop_back();
      if (tokens_[next].level == 0) {
        symbols.push_back(next);
      } else {
        open.push_back(tokens_[next].right);
        open.push_back(tokens_[next].left);
      }
    }
  }

  [[gnu::noinline]] bool try_out(int32_t left, int32_t right) const {
    return trials_.of(left, right, [&] { return is_made_of(left, right); });
  }

  bool is_made_of(int32_t left, int32_t right) const {
    std::vector<int32_t> symbols;
    add_symbols(left, symbols);
    add_symbols(right, symbols);
    std::vector<Merges::Merge> next(symbols.size());   // of each symbol and the one behind it; of the last none
    const auto look = [&](size_t i) {
      next[i] = i + 1 < symbols.size() ? merges_.of(symbols[i], symbols[i + 1]) : Merges::Merge{};
    };
    for (size_t i = 0; i < symbols.size(); ++i) look(i);
    while (symbols.size() > 2) {
      const auto best = std::ranges::min_element(next, {}, &Merges::Merge::rank);   // the first of equals
      if (best->rank == kNever) return false;
      const auto at = size_t(best - next.begin());
      symbols[at] = best->result;
      symbols.erase(symbols.begin() + std::ptrdiff_t(at) + 1);
      next.erase(next.begin() + std::ptrdiff_t(at) + 1);
      look(at);
      if (at > 0) look(at - 1);
    }
    return symbols.size() == 2 && symbols[0] == left && symbols[1] == right;
  }

  const Merges& merges_;
  const Tokens& tokens_;
  Trials& trials_;
};

// Of the rules that make a token, at most one joins what the others leave of it.
void TokenMatcher::find_parts(const Merges& merges, Tokens& tokens, Trials& trials) {
  struct Rule {
    uint32_t size;   // of the result: its parts come before it
    uint32_t rank;
    int32_t left, right, result;
  };
  std::vector<Rule> rules;
  const auto is_token = [&](int32_t id) { return size_t(id) < tokens.size() && tokens[id].size > 0; };
  merges.for_each([&](int32_t left, int32_t right, Merges::Merge merge) {
    if (!is_token(left) || !is_token(right)) return;
    tokens[left].behind |= Token::bit_of(right);
    tokens[right].before |= Token::bit_of(left);
    if (is_token(merge.result)) rules.push_back({tokens[merge.result].size, merge.rank, left, right, merge.result});
  });
  std::ranges::sort(rules, {}, &Rule::size);
  const Seam seam(merges, tokens, trials);
  for (const Rule& rule : rules) {
    Token &left = tokens[rule.left], &right = tokens[rule.right], &result = tokens[rule.result];
    if (left.level == kNever || right.level == kNever || result.level != kNever) continue;
    if (!seam.holds(rule.left, rule.right)) continue;
    result.level = std::max({rule.rank + 1, left.level, right.level});
    result.left = rule.left;
    result.right = rule.right;
  }
}

std::vector<std::string_view> TokenMatcher::written(std::span<const Entry> tokens) {
  std::vector<std::string_view> written;
  written.reserve(tokens.size());
  for (const Entry& token : tokens) written.push_back(token.bytes);
  return written;
}

std::unique_ptr<TokenMatcher> TokenMatcher::make(const Merges& merges, std::span<const Entry> entries) {
  int32_t largest = 0;
  for (const Entry& entry : entries) {
    if (entry.bytes.size() > kMaxBytes) return nullptr;
    largest = std::max(largest, entry.id);
  }
  if (size_t(largest) > 4 * entries.size() + 1024) return nullptr;
  Tokens tokens(size_t(largest) + 1);
  for (const Entry& entry : entries) {
    Token& token = tokens[entry.id];
    if (token.size > 0) return nullptr;
    token.size = uint32_t(entry.bytes.size());
    if (entry.is_symbol) token.level = 0;
  }
  auto trials = std::make_unique<Trials>();
  find_parts(merges, tokens, *trials);
  return std::unique_ptr<TokenMatcher>(new TokenMatcher(merges, std::move(tokens), std::move(trials), entries));
}

std::vector<std::pair<std::string_view, int32_t>> TokenMatcher::keys(const Tokens& tokens,
                                                                     std::span<const Entry> entries) {
  std::vector<std::pair<std::string_view, int32_t>> keys;
  keys.reserve(entries.size());
  for (const Entry& entry : entries) keys.push_back({entry.bytes, entry.id << 1 | (tokens[entry.id].level != kNever)});
  return keys;
}

TokenMatcher::TokenMatcher(const Merges& merges, Tokens tokens, std::unique_ptr<Trials> trials,
                           std::span<const Entry> entries)
    : merges_(merges),
      tokens_(std::move(tokens)),
      trials_(std::move(trials)),
      shorter_(tokens_.size(), -1),
      trie_(keys(tokens_, entries), std::identity()) {
  for (const Entry& entry : entries) {
    if (entry.bytes.empty()) continue;
    shorter_[size_t(entry.id)] = longest(entry.bytes.data(), entry.bytes.data() + entry.bytes.size() - 1).id;
  }
}

TokenMatcher::~TokenMatcher() = default;

TokenMatcher::Match TokenMatcher::longest(const char* const begin, const char* const end) const {
  Match found{-1, 0};
  const char* p = begin;
  for (auto node = trie_.root(); p < end && trie_.step(node, *p);) {
    ++p;
    const int32_t value = node.unit->value;
    if (value >= 0 && (value & 1)) {
      found = {value >> 1, uint32_t(p - begin)};
      __builtin_prefetch(&tokens_[found.id]);
    }
  }
  return found;
}

void TokenMatcher::append(std::string_view word, Ids& ids) const {
  const char* const end = word.data() + word.size();
  const char* p = word.data();
  const int64_t first = ids.size();
  const Seam seam(merges_, tokens_, *trials_);
  std::vector<bool> dead;   // places that no row of tokens goes on from; empty while there are none
  Match token = longest(p, end);
  const auto take_shorter = [&] {
    token.id = shorter_[size_t(token.id)];
    if (token.id >= 0) token.size = tokens_[token.id].size;
  };
  while (true) {
    const bool fits = [&] {
      for (; token.id >= 0; take_shorter()) {
        if (!dead.empty() && dead[size_t(p - word.data()) + token.size]) continue;
        if (ids.size() == first || seam.allows(ids[ids.size() - 1], token.id, !dead.empty())) return true;
      }
      return false;
    }();
    if (fits) {
      ids.push(token.id);
      p += token.size;
      if (p == end) return;
      __builtin_prefetch(&tokens_[std::max(tokens_[token.id].right, 0)]);
      token = longest(p, end);
    } else {
      // Symbols are tokens, and merges arrive somewhere: the first place is never dead.
      dead.resize(word.size() + 1);
      dead[size_t(p - word.data())] = true;
      token.id = ids[ids.size() - 1];
      ids.resize(ids.size() - 1);
      p -= tokens_[token.id].size;
      take_shorter();
    }
  }
}

}  // namespace fastplm::text
