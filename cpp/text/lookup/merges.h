// The heart of byte-pair encoding: which neighbours become one symbol, and in what order.
#pragma once
#include <cstdint>
#include <span>
#include "core/buffer.h"

namespace fastplm::text {

struct Symbol {
  int32_t id;
  uint32_t size;   // bytes of the word that it stands for
};

class Merges {
 public:
  struct Rule {
    int32_t left, right, result;
  };
  static constexpr uint32_t kNever = UINT32_MAX;
  struct Merge {
    uint32_t rank = kNever;   // the lower, the sooner
    int32_t result = -1;
  };

  // A rule's rank is its place, unless `ranks`, as many as rules and none above their number, say it; the last of
  // several rules for one pair counts.
  explicit Merges(std::span<const Rule> rules, std::span<const uint32_t> ranks = {});

  Merge of(int32_t left, int32_t right) const {
    const uint64_t pair = key(left, right), hash = hash_of(pair);
    const uint64_t bit = hash >> (shift_ - kFilterShift);
    if (!(filter()[bit / 64] >> bit % 64 & 1)) return {};
    for (size_t at = hash >> shift_;; at = next(at)) {
      const Slot& slot = slots()[at];
      if (slot.pair == pair) return slot.merge;
      if (slot.pair == kFree) return {};
    }
  }

  // Calls rule(left, right, merge) for every pair that has one.
  template <class Rule>
  void for_each(Rule&& rule) const {
    for (const Slot& slot : std::span(slots(), count_)) {
      if (slot.pair != kFree) rule(int32_t(slot.pair >> 32), int32_t(slot.pair), slot.merge);
    }
  }

  // Joins the pair of lowest rank, the leftmost of equals, again and again until no neighbours have a rule. Returns how
  // many symbols are left. Time grows with n log n, memory with n.
  int64_t apply(Symbol* symbols, int64_t n) const;

 private:
  static constexpr uint64_t kFree = UINT64_MAX;
  struct Slot {
    uint64_t pair = kFree;
    Merge merge;
  };
  static uint64_t key(int32_t left, int32_t right) { return uint64_t(uint32_t(left)) << 32 | uint32_t(right); }
  static uint64_t hash_of(uint64_t pair) { return (pair ^ pair >> 29) * 0x9e3779b97f4a7c15u; }  // 2^64 / golden ratio
  int64_t apply_short(Symbol* symbols, int64_t n) const;
  int64_t apply_long(Symbol* symbols, int64_t n) const;

  Slot* slots() const { return memory_.as<Slot>(); }
  // A bit for each hash that some pair has: most pairs need no other look.
  uint64_t* filter() const { return reinterpret_cast<uint64_t*>(slots() + count_); }
  size_t next(size_t at) const { return (at + 1) & (count_ - 1); }

  static constexpr int kFilterShift = 3;  // bits for each slot, as a power of 2
  size_t count_;  // of slots
  int shift_;
  Buffer memory_;  // on huge pages: a look may go anywhere in it
};

}  // namespace fastplm::text
