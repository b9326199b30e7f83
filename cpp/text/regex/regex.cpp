#include "text/regex/regex.h"

#include <map>
#include <vector>

#include "text/regex/regex_program.h"

namespace fastplm::text {

using Instruction = RegexInstruction;

namespace {

constexpr uint32_t kFailed = UINT32_MAX;

// What became of a state (an instruction at a place): kFailed, or where the kInner around it ends. Open addressing.
class Memory {
 public:
  const uint32_t* find(uint64_t state) const {
    if (entries_.empty()) return nullptr;
    const Entry& entry = entries_[slot(state)];
    return entry.state == state ? &entry.outcome : nullptr;
  }

  // `oldest`: no state at a place before this one matters any more.
  void set(uint64_t state, uint32_t outcome, size_t oldest) {
    if (2 * (size_ + 1) > entries_.size()) rebuild(oldest);
    Entry& entry = entries_[slot(state)];
    size_ += entry.state == kNone;
    entry = {state, outcome};
  }

 private:
  static constexpr uint64_t kNone = UINT64_MAX;
  struct Entry {
    uint64_t state = kNone;
    uint32_t outcome = 0;
  };

  size_t slot(uint64_t state) const {
    size_t at = size_t(state * 0x9e3779b97f4a7c15 >> 20) & (entries_.size() - 1);
    while (entries_[at].state != kNone && entries_[at].state != state) at = (at + 1) & (entries_.size() - 1);
    return at;
  }

  void rebuild(size_t oldest) {
    std::vector<Entry> kept;
    for (const Entry& entry : entries_) {
      if (entry.state != kNone && entry.state >> 32 >= oldest) kept.push_back(entry);
    }
    size_t capacity = 1024;
    while (capacity < 4 * kept.size()) capacity *= 2;
    entries_.assign(capacity, {});
    for (const Entry& entry : kept) entries_[slot(entry.state)] = entry;
    size_ = kept.size();
  }

  std::vector<Entry> entries_;
  size_t size_ = 0;
};

// What is known of an unbounded kRun.
struct RunMemory {
  uint32_t begin = 1, end = 0;            // the run found last: characters of the set, then none
  std::map<uint32_t, uint32_t> failed;    // first to last place from which what follows the run fails
};

struct Frame {
  enum Kind : uint8_t {
    kOther,    // the other way of the kSplit pc
    kTried,    // the kSplit pc has no way left
    kShorter,  // the kRun pc tried `pos`; `limit` is the least
    kLonger,   // ... the greatest
    kBarrier,  // the kInner pc began
    kLoop,     // loop `pc` had been at `limit`
  } kind;
  uint8_t loops;   // kOther, kTried, kBarrier: which loops around pc were at `pos`
  uint32_t pc, pos, limit;
};

}  // namespace

struct Regex::Search::State {
  State(std::shared_ptr<const RegexProgram> shared, std::string_view t)
      : program(std::move(shared)), text(t), runs(program->instructions.size()), loop_places(program->loops) {}

  bool find(size_t from, Match* match) {
    oldest = from;
    for (RunMemory& run : runs) {
      while (!run.failed.empty() && run.failed.begin()->second < from) run.failed.erase(run.failed.begin());
    }
    for (auto start = uint32_t(from); start <= text.size(); start = start < text.size() ? after(start) : start + 1) {
      uint32_t end;
      if (!attempt(start, &end)) continue;
      *match = {start, end};
      return true;
    }
    return false;
  }

  // --- places -----------------------------------------------------------------------------------------------

  uint32_t after(uint32_t pos) const {
    do ++pos;
    while (pos < text.size() && is_continuation(text[pos]));
    return pos;
  }
  uint32_t before(uint32_t pos) const {
    do --pos;
    while (is_continuation(text[pos]));
    return pos;
  }
  char32_t at(uint32_t pos) const {
    const char* p = text.data() + pos;
    return next_character(p);
  }
  bool has(uint32_t set, uint32_t pos) const { return pos < text.size() && program->sets[set].has(at(pos)); }
  bool word_at(uint32_t pos) const { return pos < text.size() && program->word.has(at(pos)); }

  bool holds(RegexNode::Place place, uint32_t pos) const {
    const auto size = uint32_t(text.size());
    switch (place) {
      case RegexNode::kTextBegin: return pos == 0;
      case RegexNode::kTextEnd: return pos == size;
      case RegexNode::kTextEndOrBreak: return pos == size || (pos + 1 == size && text[pos] == '\n');
      case RegexNode::kLineBegin: return pos == 0 || (pos < size && text[pos - 1] == '\n');
      case RegexNode::kLineEnd: return pos == size || text[pos] == '\n';
      default: break;
    }
    const bool edge = (pos > 0 && word_at(before(pos))) != word_at(pos);
    return edge == (place == RegexNode::kWordEdge);
  }

  // --- what is remembered -----------------------------------------------------------------------------------

  // Which of the loops around an instruction have not moved on since their round began.
  uint8_t loops_at(const Instruction& instruction, uint32_t pos) const {
    uint32_t bits = 0;
    for (uint32_t i = 0; i < loop_places.size(); ++i) {
      bits |= uint32_t((instruction.loops >> i & 1) && loop_places[i] == pos) << i;
    }
    return uint8_t(bits);
  }
  static uint64_t state(uint32_t pc, uint32_t pos, uint8_t loops) {
    return uint64_t(pos) << 32 | uint64_t(pc) << 8 | loops;
  }
  void remember(const Frame& frame, uint32_t outcome) {
    if (program->instructions[frame.pc].remembers) memory.set(state(frame.pc, frame.pos, frame.loops), outcome, oldest);
  }

  // The end of the run of set characters at pos.
  uint32_t run_end(RunMemory& run, uint32_t set, uint32_t pos) const {
    if (pos >= run.begin && pos <= run.end) return run.end;
    uint32_t end = pos;
    while (has(set, end)) {
      end = after(end);
      if (end == run.begin && run.begin < run.end) {
        end = run.end;
        break;
      }
    }
    run.begin = pos;
    run.end = end;
    return end;
  }

  // The failed places around pos, or null.
  static const std::pair<const uint32_t, uint32_t>* failed_around(const RunMemory& run, uint32_t pos) {
    auto it = run.failed.upper_bound(pos);
    if (it == run.failed.begin()) return nullptr;
    --it;
    return pos <= it->second ? &*it : nullptr;
  }
  void add_failed(RunMemory& run, uint32_t pos) const {
    if (failed_around(run, pos)) return;
    uint32_t last = pos;
    auto next = run.failed.upper_bound(pos);
    if (next != run.failed.end() && pos < text.size() && next->first == after(pos)) {
      last = next->second;
      next = run.failed.erase(next);
    }
    if (next != run.failed.begin()) {
      const auto previous = std::prev(next);
      if (pos > 0 && previous->second == before(pos)) {
        previous->second = last;
        return;
      }
    }
    run.failed.emplace_hint(next, pos, last);
  }

  // --- the machine ------------------------------------------------------------------------------------------

  // From *pos the first place up to `limit` from which the rest is not known to fail, in the order of the run's greed.
  bool candidate(const Instruction& run, uint32_t pc, uint32_t limit, uint32_t* pos) const {
    const auto* failed = failed_around(runs[pc], *pos);
    if (!failed) return true;
    const bool up = run.greed == RegexNode::kLazy;
    const uint32_t edge = up ? failed->second : failed->first;
    if (up ? edge >= limit : edge <= limit) return false;
    *pos = up ? after(edge) : before(edge);
    return true;
  }

  bool start_run(const Instruction& run, uint32_t pc, uint32_t* pos) {
    uint32_t least = *pos, count = 0;
    for (; count < run.min; ++count, least = after(least)) {
      if (!has(run.a, least)) return false;
    }
    uint32_t end = least;
    if (run.max == RegexNode::kUnlimited) {
      end = run_end(runs[pc], run.a, least);
    } else {
      for (; count < run.max && has(run.a, end); ++count) end = after(end);
    }
    const bool up = run.greed == RegexNode::kLazy;
    *pos = up ? least : end;
    if (run.greed == RegexNode::kPossessive) return true;
    const uint32_t limit = up ? end : least;
    if (!candidate(run, pc, limit, pos)) return false;
    if (least != end) stack.push_back({up ? Frame::kLonger : Frame::kShorter, 0, pc, *pos, limit});
    return true;
  }

  // The next try of the run whose last one, at frame.pos, has failed; false: none is left.
  bool continue_run(Frame frame, uint32_t* pos) {
    const Instruction& run = program->instructions[frame.pc];
    if (run.max == RegexNode::kUnlimited) add_failed(runs[frame.pc], frame.pos);
    if (frame.pos == frame.limit) return false;
    *pos = frame.kind == Frame::kLonger ? after(frame.pos) : before(frame.pos);
    if (!candidate(run, frame.pc, frame.limit, pos)) return false;
    frame.pos = *pos;
    stack.push_back(frame);
    return true;
  }

  // The innermost kInner has matched up to `end`: forgets how, and goes on behind it; false: it was not to match.
  bool finish_inner(uint32_t end, uint32_t* pc, uint32_t* pos) {
    while (stack.back().kind != Frame::kBarrier) {
      const Frame frame = stack.back();
      stack.pop_back();
      if (frame.kind == Frame::kOther || frame.kind == Frame::kTried) remember(frame, end);
      if (frame.kind == Frame::kLoop) loop_places[frame.pc] = frame.limit;
    }
    const Frame barrier = stack.back();
    stack.pop_back();
    remember(barrier, end);
    return after_inner(barrier.pc, barrier.pos, end, pc, pos);
  }
  bool after_inner(uint32_t inner_pc, uint32_t begin, uint32_t outcome, uint32_t* pc, uint32_t* pos) const {
    const Instruction& inner = program->instructions[inner_pc];
    *pc = inner.a;
    *pos = inner.inner == Instruction::kAtomic ? outcome : begin;
    return (outcome != kFailed) == (inner.inner != Instruction::kNotAhead);
  }

  // Takes up the last way that was left open; false: none is.
  bool back_up(uint32_t* pc, uint32_t* pos) {
    while (!stack.empty()) {
      Frame frame = stack.back();
      stack.pop_back();
      switch (frame.kind) {
        case Frame::kOther:
          *pc = program->instructions[frame.pc].b;
          *pos = frame.pos;
          frame.kind = Frame::kTried;
          if (program->instructions[frame.pc].remembers) stack.push_back(frame);
          return true;
        case Frame::kTried: remember(frame, kFailed); break;
        case Frame::kShorter:
        case Frame::kLonger:
          if (!continue_run(frame, pos)) break;
          *pc = frame.pc + 1;
          return true;
        case Frame::kBarrier:
          remember(frame, kFailed);
          if (after_inner(frame.pc, frame.pos, kFailed, pc, pos)) return true;
          break;
        case Frame::kLoop: loop_places[frame.pc] = frame.limit; break;
      }
    }
    return false;
  }

  bool attempt(uint32_t start, uint32_t* end) {
    stack.clear();
    uint32_t pc = 0, pos = start;
    while (true) {
      const Instruction& now = program->instructions[pc];
      bool fine = true;
      switch (now.code) {
        case Instruction::kOne:
          fine = has(now.a, pos);
          if (fine) pos = after(pos);
          ++pc;
          break;
        case Instruction::kRun: fine = start_run(now, pc++, &pos); break;
        case Instruction::kJump: pc = now.a; break;
        case Instruction::kAssert:
          fine = holds(now.place, pos);
          ++pc;
          break;
        case Instruction::kStepBack:
          for (uint32_t i = 0; i < now.a && fine; ++i) {
            fine = pos > 0;
            if (fine) pos = before(pos);
          }
          ++pc;
          break;
        case Instruction::kMark:
          stack.push_back({Frame::kLoop, 0, now.a, pos, loop_places[now.a]});
          loop_places[now.a] = pos;
          ++pc;
          break;
        case Instruction::kCheck: pc = loop_places[now.a] == pos ? now.b : pc + 1; break;
        case Instruction::kSplit:
        case Instruction::kInner: {
          const uint8_t loops = loops_at(now, pos);
          const bool split = now.code == Instruction::kSplit;
          const uint32_t* known = now.remembers ? memory.find(state(pc, pos, loops)) : nullptr;
          if (!known) {
            stack.push_back({split ? Frame::kOther : Frame::kBarrier, loops, pc, pos, 0});
            pc = split ? now.a : pc + 1;
          } else if (!split) {
            fine = after_inner(pc, pos, *known, &pc, &pos);
          } else {
            fine = *known != kFailed && finish_inner(*known, &pc, &pos);
          }
          break;
        }
        case Instruction::kInnerEnd: fine = finish_inner(pos, &pc, &pos); break;
        case Instruction::kMatch: *end = pos; return true;
      }
      if (!fine && !back_up(&pc, &pos)) return false;
    }
  }

  std::shared_ptr<const RegexProgram> program;
  std::string_view text;
  std::vector<RunMemory> runs;          // by instruction
  std::vector<uint32_t> loop_places;
  Memory memory;
  std::vector<Frame> stack;
  size_t oldest = 0;
  size_t from = 0, last_end = SIZE_MAX;   // of next()
};

Regex::Regex(std::string_view pattern) : program_(std::make_shared<const RegexProgram>(pattern)) {}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

Regex::Search::Search(const Regex& regex, std::string_view text)
    : state_(std::make_unique<State>(regex.program_, text)) {}
Regex::Search::~Search() = default;

bool Regex::Search::find(size_t from, Match* match) { return state_->find(from, match); }

bool Regex::Search::next(Match* match) {
  State& s = *state_;
  while (s.from <= s.text.size() && s.find(s.from, match)) {
    if (match->begin != match->end || match->end != s.last_end) {
      s.from = s.last_end = match->end;
      return true;
    }
    s.from = match->end < s.text.size() ? s.after(uint32_t(match->end)) : match->end + 1;
  }
  s.from = s.text.size() + 1;
  return false;
}

}  // namespace fastplm::text
