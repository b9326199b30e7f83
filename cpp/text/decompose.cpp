#include "text/decompose.h"

#include <algorithm>

#include "text/unicode.h"

namespace fastplm::text {

void decompose(Text& text) {
  const auto is_ascii = [](char byte) { return uint8_t(byte) < 0x80; };
  if (std::all_of(text.bytes.begin(), text.bytes.end(), is_ascii)) return;

  // `inserted`: not the first character of its decomposition.
  struct Item {
    char32_t c;
    int order;
    bool inserted;
  };
  const Unicode& unicode = Unicode::get();
  std::vector<Item> items;
  std::vector<Span> source;   // the span of each character read
  items.reserve(text.bytes.size());
  size_t run = 0;   // where the present run of characters that may be reordered begins
  const auto sort_run = [&] {
    std::stable_sort(items.begin() + int64_t(run), items.end(),
                     [](const Item& a, const Item& b) { return a.order < b.order; });
  };
  const char* const begin = text.bytes.data();
  const char* const end = begin + text.bytes.size();
  for (const char* p = begin; p < end;) {
    if (text.aligned) source.push_back(text.spans[size_t(p - begin)]);
    bool inserted = false;
    for (char32_t c : unicode.decompose(next_character(p))) {
      const int order = c < 0x300 ? 0 : unicode.combining_class(c);
      if (order == 0) sort_run();
      items.push_back({c, order, inserted});
      if (order == 0) run = items.size();
      inserted = true;
    }
  }
  sort_run();

  // The reference walks the sorted characters and gives the k-th one that is not inserted the span of the
  // k-th character read, wherever that one went.
  text.bytes.clear();
  text.spans.clear();
  size_t read = 0;
  for (const Item& item : items) {
    char encoded[4];
    const auto n = size_t(write_character(item.c, encoded));
    text.bytes.append(encoded, n);
    if (!item.inserted) ++read;
    if (text.aligned) text.spans.insert(text.spans.end(), n, read ? source[read - 1] : Span{});
  }
}

}  // namespace fastplm::text
