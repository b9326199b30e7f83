#include "text/unicode/unicode.h"

#include <algorithm>
#include <iterator>

namespace fastplm::text {

struct ShiftRun {
  char32_t first, last;
  int32_t step, distance;
};
struct ClassRun {
  char32_t first, last;
  int32_t value;
};

#include "text/unicode/unicode_tables.inl.h"

constexpr char32_t kHangul = 0xac00, kHangulEnd = 0xd7a4, kLead = 0x1100, kVowel = 0x1161, kTrail = 0x11a7;
constexpr int kLeads = 19, kVowels = 21, kTrails = 28;
constexpr char32_t kCapitalIWithDot = 0x130;   // the one character whose lowercase form is two characters

const Unicode& Unicode::get() {
  static const Unicode unicode;
  return unicode;
}

namespace {

// The characters of kCanonical or kCompatible, each with what it becomes.
class Stream {
 public:
  struct Entry {
    char32_t c;
    bool excluded;   // NFC leaves it decomposed
    const uint32_t* begin;
    const uint32_t* end;
  };

  template <size_t N>
  explicit Stream(const uint32_t (&words)[N]) : words_(words) {
    for (uint32_t i = 0; i < N; i += 1 + length(i)) starts_.push_back(i);
  }

  size_t size() const { return starts_.size(); }
  Entry operator[](size_t i) const {
    const uint32_t at = starts_[i];
    return {words_[at] & 0xffffff, words_[at] >> 31 != 0, words_ + at + 1, words_ + at + 1 + length(at)};
  }

  // Adds what c becomes; false: c is not among them.
  template <class To>
  bool find(char32_t c, To& to) const {
    const auto at = std::lower_bound(starts_.begin(), starts_.end(), c, [&](uint32_t start, char32_t wanted) {
      return (words_[start] & 0xffffff) < wanted;
    });
    if (at == starts_.end() || (words_[*at] & 0xffffff) != c) return false;
    for (uint32_t i = 1; i <= length(*at); ++i) to.add(words_[*at + i]);
    return true;
  }

 private:
  uint32_t length(uint32_t at) const { return words_[at] >> 24 & 0x7f; }

  const uint32_t* words_;
  std::vector<uint32_t> starts_;
};

}  // namespace

static const Stream& canonical() {
  static const Stream stream(kCanonical);
  return stream;
}
static const Stream& compatible() {
  static const Stream stream(kCompatible);
  return stream;
}

// The run that holds c, or null.
template <size_t N>
static const ShiftRun* find_run(const ShiftRun (&runs)[N], char32_t c) {
  const auto* run =
      std::upper_bound(runs, runs + N, c, [](char32_t wanted, const ShiftRun& r) { return wanted < r.first; });
  if (run == runs || c > run[-1].last || (c - run[-1].first) % char32_t(run[-1].step) != 0) return nullptr;
  return run - 1;
}

static bool is_hangul_syllable(char32_t c) { return c >= kHangul && c < kHangulEnd; }

Unicode::Unicode() {
  read_flags();
  read_normal_forms();
}

// Calls add(first, last, flags) for all runs of characters with the same flags, in order.
template <class Add>
static void for_each_flag_run(Add&& add) {
  for (size_t i = 0; i < std::size(kFlagRuns); ++i) {
    const char32_t last = i + 1 < std::size(kFlagRuns) ? (kFlagRuns[i + 1] >> 8) - 1 : 0x10ffff;
    add(char32_t(kFlagRuns[i] >> 8), last, uint8_t(kFlagRuns[i]));
  }
}

void Unicode::read_flags() {
  std::array<int, 256> uniform;   // the block whose flags are all the same, once there is one
  uniform.fill(-1);
  const auto add_block = [&](char32_t c) {
    block_of_[c >> 8] = uint8_t(blocks_.size() >> 8);
    blocks_.resize(blocks_.size() + 256);
  };
  for_each_flag_run([&](char32_t first, char32_t last, uint8_t flags) {
    for (char32_t c = first; c <= last;) {
      const char32_t stop = std::min<char32_t>(last, c | 255) + 1;   // of the run in this block
      int& same = uniform[flags];
      if (c % 256 == 0 && stop - c == 256 && same >= 0) {
        block_of_[c >> 8] = uint8_t(same);
      } else {
        if (c % 256 == 0) add_block(c);
        if (stop - c == 256) same = block_of_[c >> 8];
        std::fill_n(&blocks_[size_t(block_of_[c >> 8]) << 8 | (c & 255)], stop - c, flags);
      }
      c = stop;
    }
  });
}

void Unicode::add_normal(char32_t c, int bits) {
  uint8_t& block = normal_block_of_[c >> 8];
  if (block == 0) {
    block = uint8_t(normal_.size() >> 8);
    normal_.resize(normal_.size() + 256);
  }
  normal_[size_t(block) << 8 | (c & 255)] |= uint16_t(bits);
}

void Unicode::read_normal_forms() {
  constexpr int kNfc = 0x100 << int(Form::kNfc), kNfd = 0x100 << int(Form::kNfd), kNfkc = 0x100 << int(Form::kNfkc),
                kNfkd = 0x100 << int(Form::kNfkd);
  normal_.assign(256, 0);   // the block of all blocks without any property

  for (const ClassRun& run : kClassRuns) {
    for (char32_t c = run.first; c <= run.last; ++c) add_normal(c, run.value | kMayJoin | kNfc | kNfd | kNfkc | kNfkd);
  }
  for (char32_t c = kHangul; c < kHangulEnd; ++c) add_normal(c, kNfd | kNfkd);
  for (char32_t c = kVowel; c < kVowel + kVowels; ++c) add_normal(c, kMayJoin | kNfc | kNfkc);
  for (char32_t c = kTrail + 1; c < kTrail + kTrails; ++c) add_normal(c, kMayJoin | kNfc | kNfkc);
  for (size_t i = 0; i < compatible().size(); ++i) add_normal(compatible()[i].c, kNfkc | kNfkd);
  for (const ShiftRun& run : kCompatibleRuns) {
    for (char32_t c = run.first; c <= run.last; c += char32_t(run.step)) add_normal(c, kNfkc | kNfkd);
  }

  // A character joins its decomposition's last part and what the others make together, so the short ones first.
  for (int length = 1; length <= 4; ++length) {
    const size_t known = pairs_.size();
    for (size_t i = 0; i < canonical().size(); ++i) {
      const Stream::Entry entry = canonical()[i];
      if (entry.end - entry.begin != length) continue;
      add_normal(entry.c, entry.excluded ? kNfc | kNfd | kNfkc | kNfkd : kNfd | kNfkd);
      if (entry.excluded || length == 1) continue;
      char32_t first = entry.begin[0];
      for (const uint32_t* part = entry.begin + 1; part < entry.end - 1; ++part) first = compose(first, *part);
      pairs_.push_back({first, entry.end[-1], entry.c});
      add_normal(entry.end[-1], kMayJoin | kNfc | kNfkc);
    }
    if (pairs_.size() == known) continue;
    std::sort(pairs_.begin(), pairs_.end(), [](const Pair& a, const Pair& b) {
      return a.first != b.first ? a.first < b.first : a.second < b.second;
    });
  }

  for (const Stream* stream : {&canonical(), &compatible()}) {
    for (size_t i = 0; i < stream->size(); ++i) {
      const Stream::Entry entry = (*stream)[i];
      if (may_join(entry.begin[0])) add_normal(entry.c, kMayJoin);
    }
  }
  for (const ShiftRun& run : kCompatibleRuns) {
    for (char32_t c = run.first; c <= run.last; c += char32_t(run.step)) {
      if (may_join(char32_t(int32_t(c) + run.distance))) add_normal(c, kMayJoin);
    }
  }

  for_each_flag_run([&](char32_t first, char32_t last, uint8_t flags) {
    for (char32_t c = first; flags & kMark && c <= last; ++c) add_normal(c, kAnyMark);
  });
  for (const auto& [first, last] : kOtherMarks) {
    for (char32_t c = first; c <= last; ++c) add_normal(c, kAnyMark);
  }
}

Expansion Unicode::decompose(char32_t c) const {
  Expansion result;
  if (!has(c, kDecomposes)) {
    result.add(c);
  } else if (is_hangul_syllable(c)) {
    const char32_t i = c - kHangul;
    result.add(kLead + i / (kVowels * kTrails));
    result.add(kVowel + i / kTrails % kVowels);
    if (i % kTrails) result.add(kTrail + i % kTrails);
  } else {
    canonical().find(c, result);
  }
  return result;
}

Characters<Unicode::kLongest> Unicode::decompose_compatible(char32_t c) const {
  Characters<kLongest> result;
  if (is_stable(c, Form::kNfkd)) {
    result.add(c);
  } else if (const ShiftRun* run = find_run(kCompatibleRuns, c)) {
    result.add(char32_t(int32_t(c) + run->distance));
  } else if (!compatible().find(c, result)) {
    for (char32_t part : decompose(c)) result.add(part);
  }
  return result;
}

char32_t Unicode::compose(char32_t first, char32_t second) const {
  if (first >= kLead && first < kLead + kLeads && second >= kVowel && second < kVowel + kVowels) {
    return kHangul + ((first - kLead) * kVowels + (second - kVowel)) * kTrails;
  }
  if (is_hangul_syllable(first) && (first - kHangul) % kTrails == 0 && second > kTrail && second < kTrail + kTrails) {
    return first + (second - kTrail);
  }
  const auto at = std::lower_bound(
      pairs_.begin(), pairs_.end(), Pair{first, second, 0},
      [](const Pair& a, const Pair& b) { return a.first != b.first ? a.first < b.first : a.second < b.second; });
  return at != pairs_.end() && at->first == first && at->second == second ? at->composed : 0;
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

}  // namespace fastplm::text
