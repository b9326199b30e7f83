// A byte trie for longest-match search: edges in one flat hash table, so that a step is one probe.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace fastplm::text {

class Trie {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit Trie(int roots = 1);   // several tries that share the table; their roots are nodes 0, 1, ...

  // Gives `key` a value >= 0. The first value given to a key stays. An empty key is ignored.
  void add(std::string_view key, int32_t value, uint32_t root = 0);

  // The value at a node, -1 if no key ends there.
  int32_t value(uint32_t node) const { return values_[node]; }

  uint32_t step(uint32_t node, char byte) const {
    const uint32_t key = node << 8 | uint8_t(byte);
    for (size_t slot = start(key);; slot = (slot + 1) & mask_) {
      if (edges_[slot].key == key) return edges_[slot].child;
      if (edges_[slot].child == kNone) return kNone;
    }
  }

  struct Match {
    int32_t value = -1;
    const char* end = nullptr;
  };

  // The longest key at the beginning of [p, end).
  Match longest(const char* p, const char* end, uint32_t root = 0) const {
    Match found;
    for (uint32_t node = root; p < end;) {
      node = step(node, *p++);
      if (node == kNone) break;
      if (values_[node] >= 0) found = {values_[node], p};
    }
    return found;
  }

 private:
  struct Edge {
    uint32_t key = kNone, child = kNone;
  };
  size_t start(uint32_t key) const { return size_t(key * 0x9e3779b97f4a7c15u >> shift_); }
  void grow();

  std::vector<Edge> edges_;
  std::vector<int32_t> values_;
  size_t mask_ = 0, used_ = 0;
  int shift_ = 0;
};

}  // namespace fastplm::text
