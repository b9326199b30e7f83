#include "text/regex/properties.h"

#include <string>

#include "core/error.h"
#include "text/unicode/character_classes.h"

namespace fastplm::text {

struct PropertyName {
  const char *brief, *full;
};
struct PropertySet {
  const char* name;
  const char32_t* ranges;
  size_t count;
};

#include "text/regex/regex_tables.inl.h"

// Calls visit(first, last, value) for each run of a table of character << 8 | value.
template <size_t N, class Visit>
static void for_each_run(const uint32_t (&runs)[N], Visit&& visit) {
  for (size_t i = 0; i < N; ++i) {
    const char32_t last = i + 1 < N ? (runs[i + 1] >> 8) - 1 : CharacterSet::kLast;
    visit(char32_t(runs[i] >> 8), last, runs[i] & 255);
  }
}

// The runs whose value select() takes.
template <size_t N, class Select>
static CharacterSet select_runs(const uint32_t (&runs)[N], Select&& select) {
  CharacterSet result;
  for_each_run(runs, [&](char32_t first, char32_t last, uint32_t value) {
    if (select(value)) result.add(first, last);
  });
  return result;
}

static CharacterSet from_pairs(const PropertySet& set) {
  CharacterSet result;
  for (size_t i = 0; i < set.count; i += 2) result.add(set.ranges[i], set.ranges[i + 1]);
  return result;
}

static std::string plain(std::string_view name) {
  std::string result;
  for (char c : name) {
    if (c == ' ' || c == '-' || c == '_') continue;
    result += c >= 'A' && c <= 'Z' ? char(c | 0x20) : c;
  }
  return result;
}

// Names for the union of all categories that begin with these letters.
struct Group {
  const char *brief, *full, *members;
};
constexpr Group kGroups[] = {
    {"L", "Letter", "Lu Ll Lt Lm Lo"},
    {"LC", "Cased_Letter", "Lu Ll Lt"},
    {"M", "Mark", "Mn Mc Me"},
    {"M", "Combining_Mark", "Mn Mc Me"},
    {"N", "Number", "Nd Nl No"},
    {"P", "Punctuation", "Pc Pd Ps Pe Pi Pf Po"},
    {"S", "Symbol", "Sm Sc Sk So"},
    {"Z", "Separator", "Zs Zl Zp"},
    {"C", "Other", "Cc Cf Co Cn"},
    {"Any", "Any",
     "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm "
     "Sc Sk So Zs Zl Zp Cc Cf Co Cn"},
    {"Digit", "Digit", "Nd"},
    {"Cntrl", "Cntrl", "Cc"},
};

static CharacterSet of_categories(std::string_view members) {
  return select_runs(kCategoryRuns, [&](uint32_t category) {
    return members.find(kCategories[category].brief) != std::string_view::npos;
  });
}

static CharacterSet ascii(char32_t first, char32_t last) {
  CharacterSet result;
  result.add(first, last);
  return result;
}

bool find_property(std::string_view written, CharacterSet* characters) {
  const std::string name = plain(written);
  const auto is = [&](const char* other) { return name == plain(other); };
  for (const PropertySet& set : kSets) {
    if (is(set.name)) return *characters = from_pairs(set), true;
  }
  for (const Group& group : kGroups) {
    if (is(group.brief) || is(group.full)) return *characters = of_categories(group.members), true;
  }
  for (const PropertyName& category : kCategories) {
    if (is(category.brief) || is(category.full)) return *characters = of_categories(category.brief), true;
  }
  for (size_t i = 0; i < std::size(kScripts); ++i) {
    if (is(kScripts[i])) return *characters = select_runs(kScriptRuns, [&](uint32_t s) { return s == i; }), true;
  }
  struct {
    const char *alias, *name;
  } constexpr kAliases[] = {
      {"Alpha", "Alphabetic"}, {"Upper", "Uppercase"}, {"Lower", "Lowercase"}, {"Space", "White_Space"}};
  for (const auto& [alias, meant] : kAliases) {
    if (is(alias)) return find_property(meant, characters);
  }
  if (name == "ascii") return *characters = ascii(0, 0x7f), true;
  if (name == "assigned") return *characters = of_categories("Cn").inverted(), true;
  if (name == "blank") {
    *characters = of_categories("Zs");
    characters->add('\t');
    return true;
  }
  if (name == "alnum") {
    *characters = property("Alphabetic");
    characters->add(of_categories("Nd"));
    return true;
  }
  if (name == "xdigit") {
    *characters = ascii('0', '9');
    characters->add('A', 'F');
    characters->add('a', 'f');
    return true;
  }
  return false;
}

CharacterSet property(std::string_view name) {
  CharacterSet result;
  if (!find_property(name, &result)) fail(ErrorKind::kInternal, "no property \"", name, '"');
  return result;
}

CharacterSet word_characters() {
  CharacterSet result = property("Word");
  for (char32_t c : {0xb2, 0xb3, 0xb9, 0xbc, 0xbd, 0xbe}) result.add(c);
  return result;
}

const CharacterSet& pre_tokenizer_digits() {
  static const CharacterSet digits = [] {
    CharacterSet set = property("pre_tokenizers' digits");
    set.ranges();   // sorted here, where no other thread can see it
    return set;
  }();
  return digits;
}

int pre_tokenizer_script(char32_t c) {
  const auto* const after = std::upper_bound(std::begin(kPieceScriptRuns), std::end(kPieceScriptRuns), c,
                                             [](char32_t wanted, uint32_t run) { return wanted < run >> 8; });
  return int(after[-1] & 255);
}

const std::vector<std::vector<char32_t>>& case_classes() {
  static const std::vector<std::vector<char32_t>> classes = [] {
    std::vector<std::vector<char32_t>> result;
    for (size_t i = 0; i < std::size(kCaseClasses); i += 1 + kCaseClasses[i]) {
      result.emplace_back(kCaseClasses + i + 1, kCaseClasses + i + 1 + kCaseClasses[i]);
    }
    return result;
  }();
  return classes;
}

const std::vector<CaseSequence>& case_sequences() {
  static const std::vector<CaseSequence> sequences = [] {
    std::vector<CaseSequence> result;
    for (size_t i = 0; i < std::size(kCaseSequences); i += 4) {
      const char32_t* const to = kCaseSequences + i + 1;
      result.push_back({kCaseSequences[i], {to, to + (to[2] ? 3 : 2)}});
    }
    return result;
  }();
  return sequences;
}

const CharacterClasses& CharacterClasses::get() {
  static const CharacterClasses classes;
  return classes;
}

CharacterClasses::CharacterClasses() {
  std::vector<uint8_t> flat(CharacterSet::kLast + 1);
  for_each_run(kCategoryRuns, [&](char32_t first, char32_t last, uint32_t category) {
    const std::string_view name = kCategories[category].brief;
    uint8_t flags = 0;
    switch (name[0]) {
      case 'L': flags = kLetter; break;
      case 'M': flags = kMarkClass; break;
      case 'N': flags = kNumber; break;
      case 'P': flags = kPunct; break;
      case 'S': flags = kSymbol; break;
    }
    if (name == "Lu" || name == "Lt") flags |= kUpper;
    if (name == "Ll") flags |= kLower;
    std::fill(flat.begin() + first, flat.begin() + last + 1, flags);
  });
  const CharacterSet white = property("White_Space");
  for (const auto& [first, last] : white.ranges()) {
    for (char32_t c = first; c <= last; ++c) flat[c] |= kSpace;
  }

  for (size_t b = 0; b < block_of_.size(); ++b) {
    const auto block = flat.begin() + std::ptrdiff_t(b << 8);
    size_t same = 0;
    while (same < blocks_.size() && !std::equal(block, block + 256, blocks_.begin() + std::ptrdiff_t(same)))
      same += 256;
    if (same == blocks_.size()) blocks_.insert(blocks_.end(), block, block + 256);
    block_of_[b] = uint8_t(same >> 8);
  }
  if (blocks_.size() > 256 * 256) fail(ErrorKind::kInternal, "character classes: too many different blocks");
}

}  // namespace fastplm::text
