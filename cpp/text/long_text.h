// One long text on many threads: it is cut where every pre-tokenizer cuts.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>
#include "core/parallel.h"
#include "text/base/ids.h"

namespace fastplm::text {

constexpr size_t kLongText = 256 << 10;   // bytes: from here on a text is worth more than one thread

// The first place at or behind `from` where words end and begin whatever is around it: before a space between ASCII
// letters, or between a line break and a letter. npos: none.
size_t find_cut(std::string_view text, size_t from);

// Appends what run(part, ids) appends for the parts of a text, in order. False: some part's run says false, and `ids`
// are as they were.
template <class Run>
bool run_in_parts(std::string_view text, Ids& ids, const Run& run) {
  if (text.size() < kLongText || num_threads() == 1) return run(text, ids);
  struct Part {
    std::string_view text;
    Ids ids;
    bool done = false;
  };
  std::vector<Part> parts;
  while (!text.empty()) {
    const size_t cut = find_cut(text, kLongText / 4);
    parts.push_back({text.substr(0, cut), {}});
    text.remove_prefix(parts.back().text.size());
  }
  parallel_for(int64_t(parts.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) parts[size_t(i)].done = run(parts[size_t(i)].text, parts[size_t(i)].ids);
  });
  int64_t count = 0;
  for (const Part& part : parts) {
    if (!part.done) return false;
    count += part.ids.size();
  }
  ids.reserve(count);
  for (const Part& part : parts) ids.append(part.ids.data(), part.ids.size());
  return true;
}

}  // namespace fastplm::text
