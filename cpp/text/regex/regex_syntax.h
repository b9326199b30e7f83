// The tree of a regular expression.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>
#include "text/regex/character_set.h"

namespace fastplm::text {

struct RegexNode {
  enum Kind {
    kSet,         // one character of `set`
    kSequence,    // the children one after the other; none: nothing
    kChoice,      // the first of the children that leads to a match
    kRepeat,      // the child `min` to `max` times, as `greed` says
    kAtomic,      // the child's first match and no other
    kLookaround,  // the child matches ahead of here or, if `behind`, up to here; not so, if `negative`
    kAssert,
  } kind;
  enum Greed { kGreedy, kLazy, kPossessive };
  enum Place { kTextBegin, kTextEnd, kTextEndOrBreak, kLineBegin, kLineEnd, kWordEdge, kNoWordEdge };

  CharacterSet set = {};
  std::vector<std::unique_ptr<RegexNode>> children = {};
  uint32_t min = 0, max = 0;
  Greed greed = kGreedy;
  bool behind = false, negative = false;
  Place place = kTextBegin;

  static constexpr uint32_t kUnlimited = UINT32_MAX;

  bool may_be_empty() const;
  // How many characters it matches, if that is always the same.
  std::optional<uint32_t> length() const;
};

// Throws Error(kUnsupported, kFile) as regex.h says.
std::unique_ptr<RegexNode> parse_regex(std::string_view pattern);

}  // namespace fastplm::text
