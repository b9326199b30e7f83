#include "text/lookup/double_array.h"

#include <algorithm>

#include "core/error.h"

namespace fastplm::text {

// Two nodes never share their `children`: a unit whose byte fits a step is then the child of that very node, and no
// unit needs to name its parent. A unit that is free, or a child of nobody, is made to fit no step.
class TrieBuilder {
 public:
  explicit TrieBuilder(const std::vector<std::pair<std::string_view, int32_t>>& keys) {
    keys_.reserve(keys.size());
    for (const auto& [key, value] : keys) {
      if (!key.empty()) keys_.push_back({first_bytes(key), key, value});
    }
    std::sort(keys_.begin(), keys_.end());
    // The block that the children of all leaves are in: none.
    units_.reserve(size_t(1) << 16);
    for (uint32_t byte = 0; byte < kBlock; ++byte) units_.push_back({byte ^ 1, -1});
  }

  TrieUnits build() {
    const uint32_t root = place({0, keys_.size(), 0, kNone});
    while (!open_.empty()) {
      const Range range = open_.back();
      open_.pop_back();
      const uint32_t children = place(range);
      units_[range.unit].link |= children << 8;
    }
    close_free_units();
    return {std::move(units_), root};
  }

 private:
  static constexpr uint32_t kBlock = 256, kNone = UINT32_MAX;
  static constexpr int kMaxTries = 64;   // how many free units are looked at before a new block is begun

  struct Key {
    uint64_t first;   // its first bytes, in an order that is theirs
    std::string_view key;
    int32_t value;
    bool operator<(const Key& other) const { return first != other.first ? first < other.first : key < other.key; }
  };
  static uint64_t first_bytes(std::string_view key) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < 8; ++i) bytes = bytes << 8 | (i < key.size() ? uint8_t(key[i]) : 0);
    return bytes;
  }

  // The keys that share their first `depth` bytes, which lead to `unit`.
  struct Range {
    size_t begin, end, depth;
    uint32_t unit;
  };

  // Gives units to the children of a node, which wait in open_, and returns where they are.
  uint32_t place(Range range) {
    if (range.begin < range.end && keys_[range.begin].key.size() == range.depth) ++range.begin;
    labels_.clear();
    starts_.clear();
    for (size_t i = range.begin; i < range.end; ++i) {
      const auto label = uint8_t(keys_[i].key[range.depth]);
      if (!labels_.empty() && labels_.back() == label) continue;
      labels_.push_back(label);
      starts_.push_back(i);
    }
    if (labels_.empty()) return 0;
    starts_.push_back(range.end);
    const uint32_t children = find_place();
    taken_[children] = true;
    for (size_t i = labels_.size(); i-- > 0;) {   // the first child is then the next one to be placed
      const Key& first = keys_[starts_[i]];
      const uint32_t unit = children ^ labels_[i];
      use(unit);
      units_[unit] = {labels_[i], first.key.size() == range.depth + 1 ? first.value : -1};
      open_.push_back({starts_[i], starts_[i + 1], range.depth + 1, unit});
    }
    return children;
  }

  uint32_t find_place() {
    int tries = 0;
    for (uint32_t unit = free_; unit != kNone && tries < kMaxTries; unit = next_[unit], ++tries) {
      const uint32_t children = unit ^ labels_[0];
      if (!taken_[children] && fits(children)) return children;
    }
    if (tries == kMaxTries) forget_first_block();
    add_block();
    return uint32_t(units_.size()) - kBlock;
  }
  bool fits(uint32_t children) const {
    return std::all_of(labels_.begin(), labels_.end(), [&](uint8_t label) { return is_free_[children ^ label]; });
  }

  // Free units are a list, in order; those of blocks that are nearly full leave it, so that no search is long.
  void add_block() {
    const auto begin = uint32_t(units_.size()), end = begin + kBlock;
    if (end > 1u << 24) fail(ErrorKind::kUnsupported, "tokenizer vocabulary: more than 2^24 distinct prefixes");
    units_.resize(end, {0, -1});
    taken_.resize(end, false);
    is_free_.resize(end, false);
    next_.resize(end);
    previous_.resize(end);
    for (uint32_t unit = begin; unit < end; ++unit) {
      is_free_[unit] = true;
      next_[unit] = kNone;
      previous_[unit] = last_;
      (last_ == kNone ? free_ : next_[last_]) = unit;
      last_ = unit;
    }
  }
  void use(uint32_t unit) {
    is_free_[unit] = false;
    unlink(unit);
  }
  void unlink(uint32_t unit) {
    if (free_ != unit && previous_[unit] == kNone) return;   // has left the list
    (previous_[unit] == kNone ? free_ : next_[previous_[unit]]) = next_[unit];
    (next_[unit] == kNone ? last_ : previous_[next_[unit]]) = previous_[unit];
    next_[unit] = previous_[unit] = kNone;
  }
  void forget_first_block() {
    for (const uint32_t end = (free_ | (kBlock - 1)) + 1; free_ < end;) unlink(free_);
  }

  // A free unit gets the byte by which only a node could reach it that is not there.
  void close_free_units() {
    for (uint32_t block = kBlock; block < units_.size(); block += kBlock) {
      uint32_t free_unit = block;
      while (free_unit < block + kBlock && taken_[free_unit]) ++free_unit;
      for (uint32_t unit = block; unit < block + kBlock; ++unit) {
        if (is_free_[unit]) units_[unit] = {(unit ^ free_unit) & (kBlock - 1), -1};
      }
    }
  }

  std::vector<TrieUnit> units_;
  std::vector<Key> keys_;
  std::vector<Range> open_;
  std::vector<uint8_t> labels_;   // of the children that are being placed,
  std::vector<size_t> starts_;    // and where their keys begin
  std::vector<uint8_t> taken_ = std::vector<uint8_t>(kBlock), is_free_ = taken_;   // per unit
  std::vector<uint32_t> next_ = std::vector<uint32_t>(kBlock), previous_ = next_;
  uint32_t free_ = kNone, last_ = kNone;
};

TrieUnits make_trie(const std::vector<std::pair<std::string_view, int32_t>>& keys) { return TrieBuilder(keys).build(); }

}  // namespace fastplm::text
