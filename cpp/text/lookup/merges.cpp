#include "text/lookup/merges.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <memory>
#include <vector>

#include "core/error.h"

namespace fastplm::text {

constexpr int64_t kShort = 64;   // up to here a search through all pairs is cheaper than a heap
constexpr size_t kMaxRules = (1u << 31) / kShort - 1;

Merges::Merges(std::span<const Rule> rules, std::span<const uint32_t> ranks)
    : count_(std::bit_ceil(rules.size() * 2 + 16)),
      shift_(64 - std::countr_zero(count_)),
      memory_(int64_t(count_ * sizeof(Slot) + (count_ << kFilterShift) / 8)) {
  std::uninitialized_fill_n(slots(), count_, Slot{});
  std::uninitialized_fill_n(filter(), (count_ << kFilterShift) / 64, uint64_t(0));
  if (rules.size() >= kMaxRules) {
    fail(ErrorKind::kFile, "tokenizer.json: model.merges has ", rules.size(), " rules; expected fewer than ",
         kMaxRules);
  }
  for (size_t i = 0; i < rules.size(); ++i) {
    const Rule& rule = rules[i];
    const uint64_t pair = key(rule.left, rule.right);
    const uint64_t hash = hash_of(pair), bit = hash >> (shift_ - kFilterShift);
    filter()[bit / 64] |= uint64_t(1) << bit % 64;
    size_t at = hash >> shift_;
    while (slots()[at].pair != kFree && slots()[at].pair != pair) at = next(at);
    slots()[at] = {pair, {ranks.empty() ? uint32_t(i) : ranks[i], rule.result}};
  }
}

int64_t Merges::apply(Symbol* symbols, int64_t n) const {
  if (n < 2) return n;
  return n <= kShort ? apply_short(symbols, n) : apply_long(symbols, n);
}

// Symbols stay where they are and those that were joined to another are passed over. A pair's key holds its rank and
// its place, so that the smallest key says which pair comes first.
int64_t Merges::apply_short(Symbol* symbols, int64_t n) const {
  constexpr int32_t kPlaceBits = 6, kNone = INT32_MAX;
  static_assert(kShort == 1 << kPlaceBits);
  alignas(64) int32_t keys[kShort];   // of symbol i with the next
  int32_t results[kShort];
  uint8_t next[kShort], previous[kShort];
  const auto look = [&](int64_t i, int64_t right) {
    const Merge merge = of(symbols[i].id, symbols[right].id);
    keys[i] = merge.rank == kNever ? kNone : int32_t(merge.rank << kPlaceBits | uint32_t(i));
    results[i] = merge.result;
  };
  const int64_t padded = (n + 15) / 16 * 16;   // whole vectors
  for (int64_t i = 0; i < n; ++i) {
    next[i] = uint8_t(i + 1);
    previous[i] = uint8_t(i - 1);
  }
  for (int64_t i = 0; i + 1 < n; ++i) look(i, i + 1);
  std::fill(keys + n - 1, keys + padded, kNone);
  while (true) {
    int32_t least = kNone;
    for (int64_t i = 0; i < padded; ++i) least = keys[i] < least ? keys[i] : least;
    if (least == kNone) break;
    const int64_t i = least & (kShort - 1), joined = next[i], after = next[joined];
    symbols[i] = {results[i], symbols[i].size + symbols[joined].size};
    symbols[joined].size = 0;
    keys[joined] = keys[i] = kNone;
    next[i] = uint8_t(after);
    if (after < n) {
      previous[after] = uint8_t(i);
      look(i, after);
    }
    if (i > 0) look(previous[i], i);
  }
  return std::remove_if(symbols, symbols + n, [](const Symbol& s) { return s.size == 0; }) - symbols;
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
