#include "text/regex/regex_program.h"

#include <utility>

#include "core/error.h"
#include "text/regex/properties.h"

namespace fastplm::text {

using Instruction = RegexInstruction;

static constexpr size_t kMaxInstructions = 100000;
static constexpr uint32_t kMaxLoops = 8;   // that may go round without moving on: each doubles what is remembered

RegexProgram::Set::Set(const CharacterSet& characters) : others(characters) {
  for (char32_t c = 0; c < 0x80; ++c) ascii[c >> 6] |= uint64_t(others.has(c)) << (c & 63);
}

RegexProgram::RegexProgram(std::string_view pattern) : word(word_characters()), pattern_(pattern) {
  compile(*parse_regex(pattern));
  add({.code = Instruction::kMatch});
  pattern_ = {};
}

uint32_t RegexProgram::add(Instruction instruction) {
  if (instructions.size() >= kMaxInstructions) {
    fail(ErrorKind::kUnsupported, "the regex \"", pattern_, "\" is too long: its repeats make more than ",
         kMaxInstructions, " steps");
  }
  instruction.loops = around_;
  instruction.remembers = !settled_;
  instructions.push_back(instruction);
  return uint32_t(instructions.size() - 1);
}

uint32_t RegexProgram::set(const CharacterSet& characters) {
  for (uint32_t i = 0; i < known_.size(); ++i) {
    if (known_[i] == characters) return i;
  }
  known_.push_back(characters);
  sets.emplace_back(characters);
  return uint32_t(sets.size() - 1);
}

void RegexProgram::compile(const RegexNode& node) {
  switch (node.kind) {
    case RegexNode::kSet: add({.code = Instruction::kOne, .a = set(node.set)}); return;
    case RegexNode::kSequence:
      for (const auto& child : node.children) compile(*child);
      return;
    case RegexNode::kChoice: {
      std::vector<const RegexNode*> branches;
      for (const auto& child : node.children) branches.push_back(child.get());
      return compile_choice(branches, false);
    }
    case RegexNode::kRepeat: return compile_repeat(node);
    case RegexNode::kAtomic: return compile_inner(*node.children[0], Instruction::kAtomic, false);
    case RegexNode::kLookaround:
      return compile_inner(*node.children[0], node.negative ? Instruction::kNotAhead : Instruction::kAhead,
                           node.behind);
    case RegexNode::kAssert: add({.code = Instruction::kAssert, .place = node.place}); return;
  }
}

void RegexProgram::compile_choice(const std::vector<const RegexNode*>& branches, bool behind) {
  const bool settled = settled_;
  std::vector<uint32_t> jumps;
  for (size_t i = 0; i < branches.size(); ++i) {
    settled_ = settled;
    const bool last = i + 1 == branches.size();
    const uint32_t split = last ? 0 : add({.code = Instruction::kSplit});
    if (!last) instructions[split].a = split + 1;
    if (behind) add({.code = Instruction::kStepBack, .a = *branches[i]->length()});
    compile(*branches[i]);
    if (last) break;
    jumps.push_back(add({.code = Instruction::kJump}));
    instructions[split].b = uint32_t(instructions.size());
  }
  for (uint32_t jump : jumps) instructions[jump].a = uint32_t(instructions.size());
  settled_ = false;
}

void RegexProgram::compile_inner(const RegexNode& body, Instruction::Inner inner, bool behind) {
  const uint32_t begin = add({.code = Instruction::kInner, .inner = inner});
  const uint32_t around = std::exchange(around_, 0);   // what it finds does not depend on them
  const bool settled = settled_;
  if (behind && body.kind == RegexNode::kChoice) {
    std::vector<const RegexNode*> branches;
    for (const auto& child : body.children) branches.push_back(child.get());
    compile_choice(branches, true);
  } else {
    if (behind) add({.code = Instruction::kStepBack, .a = *body.length()});
    compile(body);
  }
  add({.code = Instruction::kInnerEnd});
  around_ = around;
  if (inner != Instruction::kAtomic) settled_ = settled;
  instructions[begin].a = uint32_t(instructions.size());
}

// Up to `count` times more, nested: (x(x(x)?)?)?
void RegexProgram::optional(const RegexNode& child, RegexNode::Greed greed, uint32_t count) {
  std::vector<uint32_t> splits;
  for (uint32_t i = 0; i < count; ++i) {
    splits.push_back(add({.code = Instruction::kSplit}));
    compile(child);
    settled_ = false;
  }
  const auto end = uint32_t(instructions.size());
  for (uint32_t split : splits) {
    instructions[split].a = greed == RegexNode::kLazy ? end : split + 1;
    instructions[split].b = greed == RegexNode::kLazy ? split + 1 : end;
  }
}

void RegexProgram::compile_repeat(const RegexNode& node) {
  const RegexNode& child = *node.children[0];
  if (child.kind == RegexNode::kSet) {
    // In a loop that may go round without moving on, what follows a run depends on whether that was empty; so it is
    // not: x* is (x+)?.
    const bool apart = node.min == 0 && node.max > 0 && around_ != 0 && node.greed != RegexNode::kPossessive;
    const uint32_t split = apart ? add({.code = Instruction::kSplit}) : 0;
    const uint32_t least = apart ? 1 : node.min;
    add({.code = Instruction::kRun, .greed = node.greed, .a = set(child.set), .min = least, .max = node.max});
    const auto end = uint32_t(instructions.size());
    if (apart) {
      instructions[split].a = node.greed == RegexNode::kLazy ? end : split + 1;
      instructions[split].b = node.greed == RegexNode::kLazy ? split + 1 : end;
    }
    if (node.min != node.max) settled_ = false;
    return;
  }
  const uint32_t counted = node.max == RegexNode::kUnlimited ? node.min : node.max;
  if (counted > 1 && child.may_be_empty()) {
    // The reference may stop before the least number of rounds if one was empty; it depends on how it compiles them.
    fail(ErrorKind::kUnsupported, "the regex \"", pattern_,
         "\" counts rounds that may be empty, which is not supported");
  }
  const bool possessive = node.greed == RegexNode::kPossessive;
  const uint32_t begin = possessive ? add({.code = Instruction::kInner, .inner = Instruction::kAtomic}) : 0;
  const uint32_t around = around_;
  if (possessive) around_ = 0;

  for (uint32_t i = 0; i < node.min; ++i) compile(child);
  if (node.max != RegexNode::kUnlimited) {
    optional(child, node.greed, node.max - node.min);
  } else {
    settled_ = false;
    const uint32_t split = add({.code = Instruction::kSplit});
    const bool checked = child.may_be_empty();
    const uint32_t loop = loops;
    const uint32_t outside = around_;
    if (checked) {
      if (++loops > kMaxLoops) {
        fail(ErrorKind::kUnsupported, "the regex \"", pattern_, "\" has more than ", kMaxLoops,
             " repeats of what may be empty, which is not supported");
      }
      add({.code = Instruction::kMark, .a = loop});
      around_ |= 1u << loop;
    }
    compile(child);
    const uint32_t check = checked ? add({.code = Instruction::kCheck, .a = loop}) : 0;
    around_ = outside;
    add({.code = Instruction::kJump, .a = split});
    const auto end = uint32_t(instructions.size());
    if (checked) instructions[check].b = end;
    instructions[split].a = node.greed == RegexNode::kLazy ? end : split + 1;
    instructions[split].b = node.greed == RegexNode::kLazy ? split + 1 : end;
  }

  if (possessive) {
    add({.code = Instruction::kInnerEnd});
    around_ = around;
    instructions[begin].a = uint32_t(instructions.size());
  }
}

}  // namespace fastplm::text
