#include "text/unicode.h"

#include <algorithm>
#include <iterator>

namespace fastplm::text {

struct LowercaseRun {
  char32_t first, last;
  int32_t step, distance;
};
struct ClassRun {
  char32_t first, last;
  int32_t value;
};

#include "text/unicode_tables.inl.h"

constexpr char32_t kHangul = 0xac00, kHangulEnd = 0xd7a4, kLead = 0x1100, kVowel = 0x1161, kTrail = 0x11a7;
constexpr int kVowels = 21, kTrails = 28;
constexpr char32_t kCapitalIWithDot = 0x130;   // the one character whose lowercase form is two characters

const Unicode& Unicode::get() {
  static const Unicode unicode;
  return unicode;
}

Unicode::Unicode() {
  std::array<int, 256> uniform;   // the block whose flags are all the same, once there is one
  uniform.fill(-1);
  std::array<uint8_t, 256> block;
  size_t run = 0;
  const auto last_of = [](size_t i) { return i + 1 < std::size(kFlagRuns) ? (kFlagRuns[i + 1] >> 8) - 1 : 0x10ffff; };
  for (size_t b = 0; b < block_of_.size(); ++b) {
    for (size_t i = 0; i < 256; ++i) {
      while (last_of(run) < (b << 8 | i)) ++run;
      block[i] = uint8_t(kFlagRuns[run]);
    }
    const bool same = std::all_of(block.begin(), block.end(), [&](uint8_t f) { return f == block[0]; });
    if (same && uniform[block[0]] >= 0) {
      block_of_[b] = uint8_t(uniform[block[0]]);
      continue;
    }
    block_of_[b] = uint8_t(blocks_.size() >> 8);
    if (same) uniform[block[0]] = block_of_[b];
    blocks_.insert(blocks_.end(), block.begin(), block.end());
  }
}

// Where each entry of kDecompositions begins, in order of its character.
static const std::vector<uint32_t>& decomposition_starts() {
  static const std::vector<uint32_t> starts = [] {
    std::vector<uint32_t> at;
    for (uint32_t i = 0; i < std::size(kDecompositions); i += 1 + (kDecompositions[i] >> 24)) at.push_back(i);
    return at;
  }();
  return starts;
}

Expansion Unicode::decompose(char32_t c) const {
  Expansion result;
  if (!has(c, kDecomposes)) {
    result.add(c);
  } else if (c >= kHangul && c < kHangulEnd) {
    const char32_t i = c - kHangul;
    result.add(kLead + i / (kVowels * kTrails));
    result.add(kVowel + i / kTrails % kVowels);
    if (i % kTrails) result.add(kTrail + i % kTrails);
  } else {
    const auto& starts = decomposition_starts();
    const auto at = std::lower_bound(starts.begin(), starts.end(), c, [](uint32_t start, char32_t wanted) {
      return (kDecompositions[start] & 0xffffff) < wanted;
    });
    for (uint32_t i = 1; i <= kDecompositions[*at] >> 24; ++i) result.add(kDecompositions[*at + i]);
  }
  return result;
}

// The run that holds c, or null.
template <class Run, size_t N>
static const Run* find_run(const Run (&runs)[N], char32_t c) {
  const auto* run = std::upper_bound(runs, runs + N, c, [](char32_t wanted, const Run& r) { return wanted < r.first; });
  return run != runs && c <= run[-1].last ? run - 1 : nullptr;
}

Expansion Unicode::lowercase(char32_t c) const {
  Expansion result;
  if (!has(c, kLowers)) {
    result.add(c);
  } else if (c == kCapitalIWithDot) {
    result.add('i');
    result.add(0x307);
  } else {
    result.add(char32_t(int32_t(c) + find_run(kLowercaseRuns, c)->distance));
  }
  return result;
}

int Unicode::combining_class(char32_t c) const {
  const ClassRun* run = find_run(kClassRuns, c);
  return run ? run->value : 0;
}

}  // namespace fastplm::text
