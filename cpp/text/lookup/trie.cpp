#include "text/lookup/trie.h"

#include <bit>

#include "core/error.h"

namespace fastplm::text {

Trie::Trie(int roots) : values_(size_t(roots), -1) { grow(); }

void Trie::grow() {
  std::vector<Edge> old = std::move(edges_);
  edges_.assign(old.empty() ? 64 : old.size() * 2, {});
  mask_ = edges_.size() - 1;
  shift_ = 64 - std::countr_zero(edges_.size());
  for (const Edge& edge : old) {
    if (edge.child == kNone) continue;
    size_t slot = start(edge.key);
    while (edges_[slot].child != kNone) slot = (slot + 1) & mask_;
    edges_[slot] = edge;
  }
}

void Trie::add(std::string_view key, int32_t value, uint32_t root) {
  uint32_t node = root;
  for (char byte : key) {
    uint32_t next = step(node, byte);
    if (next == kNone) {
      next = uint32_t(values_.size());
      if (next >= 1u << 24) fail(ErrorKind::kUnsupported, "tokenizer vocabulary: more than 2^24 distinct prefixes");
      if (++used_ * 2 > edges_.size()) grow();
      const uint32_t wanted = node << 8 | uint8_t(byte);
      size_t slot = start(wanted);
      while (edges_[slot].child != kNone) slot = (slot + 1) & mask_;
      edges_[slot] = {wanted, next};
      values_.push_back(-1);
    }
    node = next;
  }
  if (!key.empty() && values_[node] < 0) values_[node] = value;
}

}  // namespace fastplm::text
