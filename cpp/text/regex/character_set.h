// A set of characters, as ranges. They are put in order when they are first asked for: a set that threads share must
// have been asked before.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace fastplm::text {

class CharacterSet {
 public:
  struct Range {
    char32_t first, last;
    bool operator==(const Range&) const = default;
  };
  static constexpr char32_t kLast = 0x10ffff;

  void add(char32_t first, char32_t last) { ranges_.push_back({first, last}), sorted_ = false; }
  void add(char32_t c) { add(c, c); }
  void add(const CharacterSet& other) {
    ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
    sorted_ = false;
  }

  // Sorted, with gaps between them.
  const std::vector<Range>& ranges() const {
    sort();
    return ranges_;
  }

  CharacterSet inverted() const {
    CharacterSet result;
    char32_t next = 0;
    for (const Range& range : ranges()) {
      if (range.first > next) result.add(next, range.first - 1);
      next = range.last + 1;
    }
    if (next <= kLast) result.add(next, kLast);
    return result;
  }

  CharacterSet intersected(const CharacterSet& other) const {
    CharacterSet either = inverted();
    either.add(other.inverted());
    return either.inverted();
  }

  bool has(char32_t c) const {
    const auto& all = ranges();
    const auto after =
        std::upper_bound(all.begin(), all.end(), c, [](char32_t x, const Range& r) { return x < r.first; });
    return after != all.begin() && c <= std::prev(after)->last;
  }

  bool empty() const { return ranges_.empty(); }
  bool operator==(const CharacterSet& other) const { return ranges() == other.ranges(); }

 private:
  void sort() const {
    if (sorted_) return;
    sorted_ = true;
    std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
    size_t kept = 0;
    for (const Range& range : ranges_) {
      if (kept > 0 && range.first <= ranges_[kept - 1].last + 1) {
        ranges_[kept - 1].last = std::max(ranges_[kept - 1].last, range.last);
      } else {
        ranges_[kept++] = range;
      }
    }
    ranges_.resize(kept);
  }

  mutable std::vector<Range> ranges_;
  mutable bool sorted_ = true;
};

}  // namespace fastplm::text
