#include "text/unicode/graphemes.h"

#include <iterator>
#include <map>

#include "text/base/utf8.h"

namespace fastplm::text {

#include "text/unicode/grapheme_tables.inl.h"

const Graphemes& Graphemes::get() {
  static const Graphemes graphemes;
  return graphemes;
}

Graphemes::Graphemes() {
  std::map<std::array<Break, 256>, uint8_t> numbers;   // of the blocks so far
  std::array<Break, 256> block;
  size_t run = 0;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (run + 1 < std::size(kBreakRuns) && kBreakRuns[run + 1] >> 8 == c) ++run;
    block[c & 255] = Break(kBreakRuns[run] & 255);
    if ((c & 255) != 255) continue;
    const auto [at, is_new] = numbers.emplace(block, uint8_t(numbers.size()));
    if (is_new) blocks_.insert(blocks_.end(), block.begin(), block.end());
    block_of_[c >> 8] = at->second;
  }
}

static bool is_extend(Break b) { return b == Break::kExtend || b == Break::kConjunctExtend || b == Break::kLinker; }
static bool is_control(Break b) { return b == Break::kControl || b == Break::kCr || b == Break::kLf; }

// The rules that look at two characters only: GB3 to GB9b.
static bool joins(Break before, Break after) {
  if (before == Break::kCr && after == Break::kLf) return true;
  if (is_control(before) || is_control(after)) return false;
  if (is_extend(after) || after == Break::kZwj || after == Break::kSpacingMark || before == Break::kPrepend)
    return true;
  switch (before) {
    case Break::kL: return after == Break::kL || after == Break::kV || after == Break::kLV || after == Break::kLVT;
    case Break::kLV:
    case Break::kV: return after == Break::kV || after == Break::kT;
    case Break::kLVT:
    case Break::kT: return after == Break::kT;
    default: return false;
  }
}

const char* Graphemes::end_of_cluster(const char* p, const char* end) const {
  Break before = property(next_character(p));
  // What the rules that look further back ask for: a pictograph with its marks, and then a joiner (GB11); a
  // consonant with its marks, and a linker among them (GB9c); an odd number of regional indicators (GB12, GB13).
  bool pictograph = before == Break::kPictographic, joined = false;
  bool consonant = before == Break::kConsonant, linked = false;
  bool odd = before == Break::kRegionalIndicator;
  while (p < end) {
    const char* next = p;
    const Break after = property(next_character(next));
    const bool is_zwj = after == Break::kZwj;
    const bool together = joins(before, after) || (joined && after == Break::kPictographic) ||
                          (linked && after == Break::kConsonant) || (odd && after == Break::kRegionalIndicator);
    if (!together) break;
    joined = pictograph && is_zwj;
    pictograph = after == Break::kPictographic || (pictograph && is_extend(after));
    linked = consonant && (after == Break::kLinker || (linked && (after == Break::kConjunctExtend || is_zwj)));
    consonant = after == Break::kConsonant ||
                (consonant && (after == Break::kLinker || after == Break::kConjunctExtend || is_zwj));
    odd = after == Break::kRegionalIndicator && !odd;
    before = after;
    p = next;
  }
  return p;
}

}  // namespace fastplm::text
