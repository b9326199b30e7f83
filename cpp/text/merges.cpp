#include "text/merges.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

namespace fastplm::text {

constexpr int64_t kShort = 64;   // up to here a search through all pairs is cheaper than a heap

Merges::Merges(std::span<const Rule> rules)
    : slots_(std::bit_ceil(rules.size() * 2 + 2)),
      mask_(slots_.size() - 1),
      shift_(64 - std::countr_zero(slots_.size())) {
  for (size_t rank = 0; rank < rules.size(); ++rank) {
    const Rule& rule = rules[rank];
    const uint64_t pair = key(rule.left, rule.right);
    size_t at = start(pair);
    while (slots_[at].pair != kFree && slots_[at].pair != pair) at = (at + 1) & mask_;
    slots_[at] = {pair, {uint32_t(rank), rule.result}};
  }
}

int64_t Merges::apply(Symbol* symbols, int64_t n) const {
  if (n < 2) return n;
  return n <= kShort ? apply_short(symbols, n) : apply_long(symbols, n);
}

int64_t Merges::apply_short(Symbol* symbols, int64_t n) const {
  uint32_t ranks[kShort];   // of symbol i with the next
  int32_t results[kShort];
  const auto look = [&](int64_t i) {
    const Merge merge = of(symbols[i].id, symbols[i + 1].id);
    ranks[i] = merge.rank;
    results[i] = merge.result;
  };
  for (int64_t i = 0; i + 1 < n; ++i) look(i);
  while (n > 1) {
    const int64_t i = std::min_element(ranks, ranks + n - 1) - ranks;
    if (ranks[i] == kNever) break;
    symbols[i] = {results[i], symbols[i].size + symbols[i + 1].size};
    const auto tail = size_t(n - i - 2);   // symbols behind the pair
    std::memmove(symbols + i + 1, symbols + i + 2, tail * sizeof(Symbol));
    if (tail > 0) {
      std::memmove(ranks + i + 1, ranks + i + 2, (tail - 1) * sizeof(uint32_t));
      std::memmove(results + i + 1, results + i + 2, (tail - 1) * sizeof(int32_t));
    }
    --n;
    if (i + 1 < n) look(i);
    if (i > 0) look(i - 1);
  }
  return n;
}

int64_t Merges::apply_long(Symbol* symbols, int64_t n) const {
  struct Link {
    uint32_t previous, next;   // n: none
  };
  const auto none = uint32_t(n);
  std::vector<Link> links(size_t(n), Link{});
  std::vector<uint64_t> heap;   // rank << 32 | place of the left symbol; may be out of date
  heap.reserve(size_t(n));
  for (uint32_t i = 0; i < none; ++i) links[i] = {i == 0 ? none : i - 1, i + 1};
  const auto entry = [&](uint32_t left, uint32_t right) -> uint64_t {
    return uint64_t(of(symbols[left].id, symbols[right].id).rank) << 32 | left;
  };
  const auto possible = [](uint64_t e) { return e >> 32 != kNever; };
  for (uint32_t i = 0; i + 1 < none; ++i) {
    if (const uint64_t e = entry(i, i + 1); possible(e)) heap.push_back(e);
  }
  std::make_heap(heap.begin(), heap.end(), std::greater{});
  const auto push = [&](uint32_t left, uint32_t right) {
    const uint64_t e = entry(left, right);
    if (!possible(e)) return;
    heap.push_back(e);
    std::push_heap(heap.begin(), heap.end(), std::greater{});
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater{});
    const uint64_t top = heap.back();
    heap.pop_back();
    const auto left = uint32_t(top);
    if (symbols[left].size == 0) continue;   // became part of another
    const uint32_t right = links[left].next;
    if (right == none) continue;
    const Merge merge = of(symbols[left].id, symbols[right].id);
    if (merge.rank != uint32_t(top >> 32)) continue;
    symbols[left] = {merge.result, symbols[left].size + symbols[right].size};
    symbols[right].size = 0;
    const uint32_t next = links[right].next, previous = links[left].previous;
    links[left].next = next;
    if (next != none) {
      links[next].previous = left;
      push(left, next);
    }
    if (previous != none) push(previous, left);
  }
  return std::remove_if(symbols, symbols + n, [](const Symbol& s) { return s.size == 0; }) - symbols;
}

}  // namespace fastplm::text
