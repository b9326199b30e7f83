// How often each pair of neighbouring tokens occurs: a flat hash table that only grows.
#pragma once
#include <bit>
#include <cstdint>
#include <vector>

namespace fastplm::text {

struct TokenPair {
  int32_t left, right;   // ids, not negative
  auto operator<=>(const TokenPair&) const = default;
};

class PairTable {
 public:
  struct Slot {
    TokenPair pair{-1, -1};
    int64_t count : 62 = 0;
    uint64_t queued : 1 = 0;   // it has been in the queue,
    uint64_t again : 1 = 0;    // more than once
  };

  // The pair's own slot, with count 0 if it is new. Valid until the next call.
  Slot& operator[](TokenPair pair) {
    if ((used_ + 1) * 4 > slots_.size() * 3) grow();
    size_t at = start(pair);
    while (slots_[at].pair.left >= 0 && slots_[at].pair != pair) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at].pair.left < 0) {
      slots_[at].pair = pair;
      ++used_;
    }
    return slots_[at];
  }

  // Calls visit(slot) for every pair, in no order that means anything.
  template <class Visit>
  void each(Visit&& visit) {
    for (Slot& slot : slots_) {
      if (slot.pair.left >= 0) visit(slot);
    }
  }

 private:
  size_t start(TokenPair pair) const {
    const uint64_t key = uint64_t(pair.left) << 32 | uint32_t(pair.right);
    return size_t(key * 0x9e3779b97f4a7c15u >> shift_);
  }

  void grow() {
    std::vector<Slot> before(slots_.size() * 2);
    before.swap(slots_);
    --shift_;
    for (const Slot& slot : before) {
      if (slot.pair.left < 0) continue;
      size_t at = start(slot.pair);
      while (slots_[at].pair.left >= 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1 << 12);
  int shift_ = 64 - 12;
  size_t used_ = 0;
};

}  // namespace fastplm::text
