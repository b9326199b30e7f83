#include "text/training/substrings.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "core/parallel.h"
#include "text/base/utf8.h"
#include "text/training/by_character.h"
#include "text/training/interrupt.h"

namespace fastplm::text {

Characters::Characters(const WordCounts& words) {
  text.reserve(words.bytes.size() + size_t(words.size()));
  for (int64_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words.word(i);
    const char* const end = word.data() + word.size();
    for (const char* p = word.data(); p < end;) {
      uint32_t length = 0;
      for (; p < end && length < kLongestWord; ++length) {
        const char32_t c = next_character(p);
        text.push_back(c == 0 ? kZero : c);
      }
      text.push_back(kEnd);
      begin.push_back(uint32_t(text.size()));
      counts.push_back(words.counts[size_t(i)]);
    }
    if (text.size() >= UINT32_MAX - 2 * word.size()) {
      fail(ErrorKind::kValue, "training: the distinct words have 2^32 characters; expected fewer");
    }
  }
}

std::string Characters::utf8(uint32_t at, uint32_t length) const {
  std::string result;
  char bytes[4];
  for (uint32_t i = at; i < at + length; ++i) {
    result.append(bytes, size_t(write_character(text[i] == kZero ? 0 : text[i], bytes)));
  }
  return result;
}

namespace {

// The places of all characters in the order of the `longest` characters that begin there.
class Sorted {
 public:
  Sorted(const Characters& characters, uint32_t longest) : text_(characters.text), longest_(longest) {
    // Characters as small numbers in the same order, so that a machine word holds several.
    ByCharacter<uint32_t> begin;
    for (char32_t c : text_) begin[c] += c != Characters::kEnd;
    uint32_t kinds = 0, total = 0;
    std::vector<uint32_t> bucket_begin;
    begin.each([&](char32_t c, uint32_t& count) {
      if (count == 0) return;
      numbers_[c] = ++kinds;
      bucket_begin.push_back(total);
      total += std::exchange(count, total);
    });
    bucket_begin.push_back(total);
    numbers_[Characters::kEnd] = 0;   // threads only look up what is there
    bits_ = std::bit_width(kinds);
    places.resize(total);
    for (uint32_t place = 0; place < text_.size(); ++place) {
      if (text_[place] != Characters::kEnd) places[begin[text_[place]]++] = place;
    }
    parallel_for(kinds, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) sort(bucket_begin[size_t(i)], bucket_begin[size_t(i) + 1]);
    });
  }

  // How many characters two places share, up to `longest`.
  uint32_t shared(uint32_t a, uint32_t b) const {
    uint32_t n = 0;
    while (n < longest_ && text_[a + n] == text_[b + n] && text_[a + n] != Characters::kEnd) ++n;
    return n;
  }

  std::vector<uint32_t> places;

 private:
  struct Item {
    uint64_t key;   // the first characters
    uint32_t place;
  };

  void sort(uint32_t begin, uint32_t end) {
    const auto in_key = uint32_t(64 / bits_);
    std::vector<Item> items;
    items.reserve(end - begin);
    for (uint32_t i = begin; i < end; ++i) {
      uint64_t key = 0;
      bool ended = false;
      for (uint32_t n = 0; n < in_key; ++n) {
        const char32_t c = ended ? Characters::kEnd : text_[places[i] + n];
        ended |= c == Characters::kEnd;
        key = key << bits_ | numbers_[c];
      }
      items.push_back({key, places[i]});
    }
    std::sort(items.begin(), items.end(), [&](const Item& a, const Item& b) {
      if (a.key != b.key) return a.key < b.key;
      const uint32_t n = shared(a.place, b.place);
      const char32_t left = n == longest_ ? Characters::kEnd : text_[a.place + n];
      const char32_t right = n == longest_ ? Characters::kEnd : text_[b.place + n];
      return left != right ? left < right : a.place < b.place;
    });
    for (uint32_t i = begin; i < end; ++i) places[i] = items[i - begin].place;
  }

  const std::vector<char32_t>& text_;
  const uint32_t longest_;
  ByCharacter<uint32_t> numbers_;
  int bits_ = 1;
};

}  // namespace

Substrings::Substrings(const Characters& characters, uint32_t longest) : longest_at(characters.text.size(), -1) {
  const Sorted sorted(characters, longest);
  // Which word a place is in.
  std::vector<uint32_t> word_at(characters.text.size());
  for (size_t word = 0; word < characters.counts.size(); ++word) {
    std::fill(word_at.begin() + characters.begin[word], word_at.begin() + characters.begin[word + 1], uint32_t(word));
  }

  // Places that share characters are neighbours. `open` are the nodes that the last place is in, each the parent of the
  // next one; a node is closed by the first place that is not in it, and is then counted into its parent.
  std::vector<int32_t> open;
  const auto close = [&] {
    const int32_t node = open.back();
    open.pop_back();
    if (!open.empty()) nodes[size_t(open.back())].count += nodes[size_t(node)].count;
    return node;
  };
  const auto add = [&](uint32_t place, uint32_t length) {
    const int32_t parent = open.empty() ? -1 : open.back();
    nodes.push_back({place, length, parent, 0});
    open.push_back(int32_t(nodes.size()) - 1);
  };
  uint32_t last = 0;
  for (size_t i = 0; i < sorted.places.size(); ++i) {
    if (i % kInterruptEvery == 0) check_interrupt();
    const uint32_t place = sorted.places[i];
    const uint32_t shared = i == 0 ? 0 : sorted.shared(last, place);
    int32_t closed = -1;
    while (!open.empty() && nodes[size_t(open.back())].length > shared) closed = close();
    if (shared == 0) {
      add(place, 1);
    } else if (nodes[size_t(open.back())].length < shared) {
      // A string that the last place begins with too: as its longest node, or as a parent of that.
      add(place, shared);
      Node& node = nodes.back();
      if (closed >= 0) {
        nodes[size_t(closed)].parent = open.back();
        node.count = nodes[size_t(closed)].count;
      } else {
        longest_at[last] = open.back();
        node.count = characters.counts[word_at[last]];
      }
      nodes[size_t(node.parent)].count -= node.count;   // which counts it when it closes
    }
    const uint32_t word = word_at[place];
    const int64_t count = characters.counts[word];
    nodes[size_t(open.back())].count += count;
    longest_at[place] = open.back();
    last = place;
  }
  while (!open.empty()) close();

  for (size_t word = 0; word < characters.counts.size(); ++word) {
    const uint32_t place = characters.begin[word], length = characters.size(word);
    const int32_t parent = longest_at[place];
    if (characters.counts[word] < 2 || length > longest || nodes[size_t(parent)].length >= length) continue;
    nodes.push_back({place, length, parent, characters.counts[word]});
    longest_at[place] = int32_t(nodes.size()) - 1;
  }

  std::vector<int32_t> order(nodes.size()), index(nodes.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return nodes[size_t(a)].length < nodes[size_t(b)].length; });
  std::vector<Node> ordered;
  ordered.reserve(nodes.size());
  for (int32_t i : order) {
    index[size_t(i)] = int32_t(ordered.size());
    ordered.push_back(nodes[size_t(i)]);
    if (int32_t& parent = ordered.back().parent; parent >= 0) parent = index[size_t(parent)];
  }
  nodes = std::move(ordered);
  for (int32_t& node : longest_at) {
    if (node >= 0) node = index[size_t(node)];
  }
}

}  // namespace fastplm::text
