// A byte trie for a large vocabulary that does not change: a double array, where a step is one load and one compare.
// 250,000 pieces take about 7 MB.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>
#include "core/buffer.h"

namespace fastplm::text {

class DoubleArray {
 public:
  // Each key has a value >= 0; no key appears twice, and an empty one is ignored. Throws Error(kUnsupported) for
  // more than 2^24 distinct prefixes.
  explicit DoubleArray(std::vector<std::pair<std::string_view, int32_t>> keys);

  // A place in the trie: the bytes that were read lead there.
  struct Node {
    uint32_t children;   // the child for byte b is at children ^ b
    int32_t value;       // -1: no key ends here
  };
  Node root() const { return {root_, -1}; }

  // Moves `node` along `byte`; false: no key goes on so.
  bool step(Node& node, char byte) const {
    const Unit unit = units()[node.children ^ uint8_t(byte)];
    if (uint8_t(unit.link) != uint8_t(byte)) return false;
    node = {unit.link >> 8, unit.value};
    return true;
  }

  int32_t find(std::string_view key) const {   // -1: not there
    Node node = root();
    for (char byte : key) {
      if (!step(node, byte)) return -1;
    }
    return node.value;
  }

  int64_t bytes() const { return memory_.size(); }

 private:
  class Builder;
  struct Unit {
    uint32_t link;   // children << 8 | the byte that leads here
    int32_t value;
  };
  const Unit* units() const { return memory_.as<Unit>(); }

  Buffer memory_;   // on huge pages: a search jumps about in it
  uint32_t root_ = 0;
};

}  // namespace fastplm::text
