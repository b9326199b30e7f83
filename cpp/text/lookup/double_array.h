// A byte trie for a large vocabulary that does not change: a double array, where a step is one load and one compare.
// 250,000 pieces take about 1 million units.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>
#include "core/buffer.h"

namespace fastplm::text {

// A place in the trie. Others, which bear more, begin with the same two.
struct TrieUnit {
  uint32_t link;   // the child for byte b is at link >> 8 ^ b; the lowest 8 bits are the byte that leads here
  int32_t value;   // of the key that ends here, -1: none does
};

struct TrieUnits {
  std::vector<TrieUnit> units;
  uint32_t root;   // where the children of the root are, as in a link
};

// Each key has a value >= 0; no key appears twice, and an empty one is ignored. Throws Error(kUnsupported) for more
// than 2^24 distinct prefixes.
TrieUnits make_trie(const std::vector<std::pair<std::string_view, int32_t>>& keys);

template <class Unit>
class DoubleArray {
 public:
  // make(trie unit) makes what stands for each.
  template <class Make>
  DoubleArray(const std::vector<std::pair<std::string_view, int32_t>>& keys, const Make& make) {
    const TrieUnits trie = make_trie(keys);
    memory_ = Buffer(int64_t(trie.units.size() * sizeof(Unit)));
    root_ = trie.root;
    Unit* to = memory_.as<Unit>();
    for (const TrieUnit& unit : trie.units) new (to++) Unit(make(unit));
  }

  // The bytes that were read lead here.
  struct Node {
    uint32_t children;
    const Unit* unit;   // null: the root
  };
  Node root() const { return {root_, nullptr}; }

  // Moves `node` along `byte`; false: no key goes on so.
  bool step(Node& node, char byte) const {
    const Unit* const unit = memory_.as<Unit>() + (node.children ^ uint8_t(byte));
    if (uint8_t(unit->link) != uint8_t(byte)) return false;
    node = {unit->link >> 8, unit};
    return true;
  }

  const Unit* find(std::string_view key) const {   // null: not there
    Node node = root();
    for (char byte : key) {
      if (!step(node, byte)) return nullptr;
    }
    return node.unit && node.unit->value >= 0 ? node.unit : nullptr;
  }

  int64_t bytes() const { return memory_.size(); }

 private:
  Buffer memory_;   // on huge pages: a search jumps about in it
  uint32_t root_ = 0;
};

}  // namespace fastplm::text
