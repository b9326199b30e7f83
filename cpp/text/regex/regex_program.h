// A regular expression as instructions for a machine that backtracks.
#pragma once
#include <array>
#include <cstdint>
#include <vector>
#include "text/base/utf8.h"
#include "text/regex/regex_syntax.h"

namespace fastplm::text {

struct RegexInstruction {
  enum Code : uint8_t {
    kOne,          // a character of set a
    kRun,          // min to max characters of set a, as greed says
    kSplit,        // on at a; failing that, at b
    kJump,         // on at a
    kAssert,       // `place` is here
    kInner,        // the instructions after this up to their kInnerEnd, for themselves; then on at a (see `inner`)
    kInnerEnd,
    kStepBack,     // back by a characters
    kMark,         // notes this place as loop a's
    kCheck,        // if this place is the one noted for loop a, on at b: an empty round ends the loop
    kMatch,
  } code;
  enum Inner : uint8_t { kAtomic, kAhead, kNotAhead };   // what comes of it: its end, nothing, nothing if it fails

  RegexNode::Greed greed = RegexNode::kGreedy;
  RegexNode::Place place = RegexNode::kTextBegin;
  Inner inner = kAtomic;
  bool remembers = false;   // kSplit, kInner: may be met again at the same place
  uint32_t loops = 0;       // a bit for each loop with a kCheck around this
  uint32_t a = 0, b = 0, min = 0, max = 0;
};

class RegexProgram {
 public:
  explicit RegexProgram(std::string_view pattern);

  struct Set {
    explicit Set(const CharacterSet& characters);
    bool has(char32_t c) const {
      if (c < 0x80) return ascii[c >> 6] >> (c & 63) & 1;
      return others.has(c);
    }
    std::array<uint64_t, 2> ascii{};
    CharacterSet others;
  };

  std::vector<RegexInstruction> instructions;
  std::vector<Set> sets;
  Set word;
  uint32_t loops = 0;

 private:
  uint32_t add(RegexInstruction instruction);
  uint32_t set(const CharacterSet& characters);
  void compile(const RegexNode& node);
  void compile_repeat(const RegexNode& node);
  void compile_inner(const RegexNode& body, RegexInstruction::Inner inner, bool behind);
  void compile_choice(const std::vector<const RegexNode*>& branches, bool behind);
  void optional(const RegexNode& child, RegexNode::Greed greed, uint32_t count);

  std::vector<CharacterSet> known_;   // those of `sets`
  std::string_view pattern_;
  bool settled_ = true;    // every way to here has the same length
  uint32_t around_ = 0;    // RegexInstruction::loops
};

}  // namespace fastplm::text
