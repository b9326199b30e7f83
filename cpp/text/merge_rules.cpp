#include "text/merge_rules.h"

#include <algorithm>

#include "text/utf8.h"

namespace fastplm::text {

[[noreturn]] static void lacks(size_t merge, std::string_view token) {
  fail(ErrorKind::kFile, "model.merges[", merge, "]: the vocabulary lacks '", to_utf8(token), "'");
}

std::vector<int32_t> merge_sides(const Vocabulary& vocabulary, std::string_view bytes,
                                 std::span<const int64_t> offsets) {
  if (offsets.size() % 2 == 0 || offsets[0] != 0 || offsets.back() != int64_t(bytes.size()) ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    fail(ErrorKind::kFile, "model.merges: ", offsets.size(), " offsets and ", bytes.size(),
         " bytes do not fit together");
  }
  std::vector<int32_t> sides(offsets.size() - 1);
  vocabulary.find_all(bytes, offsets, sides.data());
  const auto missing = std::ranges::find_if(sides, [](int32_t side) { return side < 0; });
  if (missing != sides.end()) {
    const size_t i = size_t(missing - sides.begin());
    lacks(i / 2, bytes.substr(size_t(offsets[i]), size_t(offsets[i + 1] - offsets[i])));
  }
  return sides;
}

static std::string_view without_first(std::string_view token, int64_t characters) {
  const char* p = token.data();
  const char* const end = p + token.size();
  while (characters-- > 0 && p < end) next_character(p);
  return {p, size_t(end - p)};
}

std::vector<int32_t> merge_rules(const Vocabulary& vocabulary, std::span<const int32_t> sides, int64_t prefix) {
  if (sides.size() % 2 != 0) fail(ErrorKind::kFile, "model.merges: ", sides.size(), " sides; expected pairs");
  std::vector<int32_t> rules(sides.size() / 2 * 3);
  std::string joined;
  int64_t made = -1;
  // A merge mostly makes the token behind the one that the merge before it made, or the same.
  const auto make = [&] {
    for (int64_t i : {made + 1, made}) {
      if (i >= 0 && i < vocabulary.size() && vocabulary.token(i) == joined) return i;
    }
    return vocabulary.index_of(joined);
  };
  for (size_t merge = 0; merge < sides.size() / 2; ++merge) {
    const int32_t left = sides[2 * merge], right = sides[2 * merge + 1];
    if (std::min(left, right) < 0 || std::max(left, right) >= vocabulary.size()) {
      fail(ErrorKind::kFile, "model.merges[", merge, "]: sides ", left, " and ", right, "; expected places in ",
           vocabulary.size(), " tokens");
    }
    joined = vocabulary.token(left);
    joined += without_first(vocabulary.token(right), prefix);
    made = make();
    if (made < 0) lacks(merge, joined);
    int32_t* const rule = &rules[3 * merge];
    rule[0] = vocabulary.id(left);
    rule[1] = vocabulary.id(right);
    rule[2] = vocabulary.id(made);
  }
  return rules;
}

}  // namespace fastplm::text
