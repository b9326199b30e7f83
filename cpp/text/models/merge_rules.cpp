#include "text/models/merge_rules.h"

#include <algorithm>

#include "core/parallel.h"
#include "text/base/utf8.h"

namespace fastplm::text {

constexpr int64_t kGrain = 1 << 14;   // merges that are worth a thread

[[noreturn]] static void lacks(size_t merge, std::string_view token) {
  fail(ErrorKind::kFile, "model.merges[", merge, "]: the vocabulary lacks '", to_utf8(token), "'");
}

std::vector<int32_t> merge_sides(const Vocabulary& vocabulary, std::string_view bytes, std::span<const int64_t> begins,
                                 std::span<const int64_t> ends) {
  if (begins.size() % 2 != 0 || !are_spans(begins, ends, bytes.size())) {
    fail(ErrorKind::kFile, "model.merges: ", begins.size(), " begins and ", ends.size(), " ends are not pairs in ",
         bytes.size(), " bytes");
  }
  std::vector<int32_t> sides(begins.size());
  parallel_for(int64_t(sides.size()), 2 * kGrain, [&](int64_t begin, int64_t end) {
    const auto from = size_t(begin), count = size_t(end - begin);
    vocabulary.find_all(bytes, begins.subspan(from, count), ends.subspan(from, count), &sides[from]);
  });
  const auto missing = std::ranges::find_if(sides, [](int32_t side) { return side < 0; });
  if (missing != sides.end()) {
    const auto i = size_t(missing - sides.begin());
    lacks(i / 2, bytes.substr(size_t(begins[i]), size_t(ends[i] - begins[i])));
  }
  return sides;
}

static std::string_view without_first(std::string_view token, int64_t characters) {
  const char* p = token.data();
  const char* const end = p + token.size();
  while (characters-- > 0 && p < end) next_character(p);
  return {p, size_t(end - p)};
}

static bool is_joined(std::string_view token, std::string_view left, std::string_view right) {
  return token.size() == left.size() + right.size() && token.starts_with(left) && token.ends_with(right);
}

std::vector<int32_t> merge_rules(const Vocabulary& vocabulary, std::span<const int32_t> sides, int64_t prefix) {
  if (sides.size() % 2 != 0) fail(ErrorKind::kFile, "model.merges: ", sides.size(), " sides; expected pairs");
  const auto count = int64_t(sides.size() / 2);
  for (int64_t merge = 0; merge < count; ++merge) {
    const int32_t left = sides[2 * merge], right = sides[2 * merge + 1];
    if (std::min(left, right) < 0 || std::max(left, right) >= vocabulary.size()) {
      fail(ErrorKind::kFile, "model.merges[", merge, "]: sides ", left, " and ", right, "; expected places in ",
           vocabulary.size(), " tokens");
    }
  }
  const auto left_of = [&](int64_t merge) { return vocabulary.token(sides[2 * merge]); };
  const auto right_of = [&](int64_t merge) { return without_first(vocabulary.token(sides[2 * merge + 1]), prefix); };
  std::vector<int32_t> rules(size_t(3 * count));
  parallel_for(count, kGrain, [&](int64_t begin, int64_t end) {
    std::string joined;
    int64_t made = -1;
    // A merge mostly makes the token behind the one that the merge before it made, or the same.
    const auto make = [&](std::string_view left, std::string_view right) {
      for (int64_t i : {made, made + 1}) {
        if (i >= 0 && i < vocabulary.size() && is_joined(vocabulary.token(i), left, right)) return i;
      }
      joined = left;
      joined += right;
      return vocabulary.index_of(joined);
    };
    for (int64_t merge = begin; merge < end; ++merge) {
      made = make(left_of(merge), right_of(merge));
      int32_t* const rule = &rules[size_t(3 * merge)];
      rule[0] = vocabulary.id(sides[2 * merge]);
      rule[1] = vocabulary.id(sides[2 * merge + 1]);
      rule[2] = made < 0 ? -1 : vocabulary.id(made);
    }
  });
  for (int64_t merge = 0; merge < count; ++merge) {
    if (rules[size_t(3 * merge + 2)] < 0) {
      lacks(size_t(merge), std::string(left_of(merge)) + std::string(right_of(merge)));
    }
  }
  return rules;
}

}  // namespace fastplm::text
