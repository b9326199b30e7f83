#include "text/regex/regex_syntax.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "text/base/utf8.h"
#include "text/regex/properties.h"

namespace fastplm::text {

bool RegexNode::may_be_empty() const {
  const auto child_may = [](const auto& child) { return child->may_be_empty(); };
  switch (kind) {
    case kSet: return false;
    case kSequence: return std::all_of(children.begin(), children.end(), child_may);
    case kChoice: return std::any_of(children.begin(), children.end(), child_may);
    case kRepeat: return min == 0 || children[0]->may_be_empty();
    case kAtomic: return children[0]->may_be_empty();
    case kLookaround:
    case kAssert: return true;
  }
  return true;
}

std::optional<uint32_t> RegexNode::length() const {
  uint32_t sum = 0;
  switch (kind) {
    case kSet: return 1;
    case kSequence:
      for (const auto& child : children) {
        const auto n = child->length();
        if (!n) return {};
        sum += *n;
      }
      return sum;
    case kChoice:
      for (const auto& child : children) {
        if (child->length() != children[0]->length()) return {};
      }
      return children[0]->length();
    case kRepeat: {
      const auto n = children[0]->length();
      if (min != max || !n) return {};
      return *n * min;
    }
    case kAtomic: return children[0]->length();
    case kLookaround:
    case kAssert: return 0;
  }
  return {};
}

using NodePointer = std::unique_ptr<RegexNode>;

static NodePointer node_of(RegexNode::Kind kind) {
  auto node = std::make_unique<RegexNode>();
  node->kind = kind;
  return node;
}

static NodePointer sequence_of(std::vector<NodePointer> children, RegexNode::Kind kind = RegexNode::kSequence) {
  if (children.size() == 1) return std::move(children[0]);
  NodePointer node = node_of(kind);
  node->children = std::move(children);
  return node;
}

static CharacterSet single(char32_t c) {
  CharacterSet set;
  set.add(c);
  return set;
}

static CharacterSet everything() { return CharacterSet().inverted(); }

// Adds the other cases of the characters of `set`.
static CharacterSet any_case(const CharacterSet& set) {
  CharacterSet result = set;
  for (const auto& same : case_classes()) {
    if (std::none_of(same.begin(), same.end(), [&](char32_t c) { return set.has(c); })) continue;
    for (char32_t c : same) result.add(c);
  }
  return result;
}

class RegexParser {
 public:
  explicit RegexParser(std::string_view pattern) : pattern_(pattern), p_(pattern.data()), end_(p_ + pattern.size()) {}

  NodePointer parse() {
    NodePointer node = choice(0);
    if (p_ < end_) broken("an unmatched )");
    return node;
  }

 private:
  static constexpr int kMaxDepth = 200;
  static constexpr uint32_t kMaxRepeat = 100000;   // the reference's
  static constexpr char32_t kEnd = UINT32_MAX;

  struct Options {
    bool any_case = false, dot_all = false;
  };

  [[noreturn]] void broken(std::string_view what) const {
    fail(ErrorKind::kFile, "the regex \"", pattern_, "\" is broken at byte ", p_ - pattern_.data(), ": ", what);
  }
  [[noreturn]] void unsupported(std::string_view what) const {
    fail(ErrorKind::kUnsupported, "the regex \"", pattern_, "\" has ", what, " at byte ", p_ - pattern_.data(),
         ", which is not supported");
  }

  bool ends() const { return p_ == end_; }
  char32_t peek() const {
    if (ends()) return kEnd;
    const char* q = p_;
    return next_character(q);
  }
  char32_t take() {
    if (ends()) broken("it ends too early");
    return next_character(p_);
  }
  bool take_if(std::string_view text) {
    if (!std::string_view(p_, size_t(end_ - p_)).starts_with(text)) return false;
    p_ += text.size();
    return true;
  }

  // a|b|c, up to a ) or the end. Options set on the way hold to the end of the group.
  NodePointer choice(int depth) {
    if (depth > kMaxDepth) unsupported("too many nested groups");
    const Options outer = options_;
    std::vector<NodePointer> branches;
    branches.push_back(branch(depth));
    while (take_if("|")) branches.push_back(branch(depth));
    options_ = outer;
    return sequence_of(std::move(branches), RegexNode::kChoice);
  }

  NodePointer branch(int depth) {
    std::vector<NodePointer> items;
    std::u32string literals;   // a run of characters: some of them together have another case in one character
    while (!ends() && peek() != '|' && peek() != ')') {
      const auto [node, literal] = item(depth);
      if (!node) continue;   // a comment
      const bool repeated = repeat(*node);
      if (literal == kEnd || repeated) literals.clear();
      if (literal != kEnd && options_.any_case) {
        literals += literal;
        check_case(literals, !repeated);
      }
      items.push_back(std::move(*node));
    }
    return sequence_of(std::move(items));
  }

  struct Item {
    std::unique_ptr<NodePointer> node;
    char32_t literal = kEnd;
  };
  static Item made(NodePointer node) { return {std::make_unique<NodePointer>(std::move(node))}; }
  static Item made(CharacterSet set) {
    NodePointer node = node_of(RegexNode::kSet);
    node->set = std::move(set);
    return made(std::move(node));
  }
  static Item made(RegexNode::Place place) {
    NodePointer node = node_of(RegexNode::kAssert);
    node->place = place;
    return made(std::move(node));
  }
  Item literal(char32_t c) const {
    Item item = made(options_.any_case ? text::any_case(single(c)) : single(c));
    item.literal = c;
    return item;
  }

  // Under (?i) the reference takes some characters for two or three others (U+00DF for ss).
  void check_case(const std::u32string& literals, bool alone) const {
    const auto same = [](char32_t a, char32_t b) { return text::any_case(single(a)).has(b); };
    for (const CaseSequence& entry : case_sequences()) {
      const auto& to = entry.sequence;
      const bool is_it = alone && literals.size() >= to.size() &&
                         std::equal(to.begin(), to.end(), literals.end() - std::ptrdiff_t(to.size()), same);
      if (is_it || same(literals.back(), entry.character)) unsupported("(?i) with characters that become several");
    }
  }
  void check_case(const CharacterSet& set) const {
    for (const CaseSequence& entry : case_sequences()) {
      if (set.has(entry.character)) unsupported("(?i) with characters that become several");
    }
  }

  Item item(int depth) {
    const char32_t c = take();
    switch (c) {
      case '(': return group(depth);
      case '[': return made(bracket(depth));
      case '.': return made(options_.dot_all ? everything() : single('\n').inverted());
      case '^': return made(RegexNode::kLineBegin);
      case '$': return made(RegexNode::kLineEnd);
      case '\\': return escape();
      case '*':
      case '+':
      case '?': broken("a repeat of nothing");
      case '{': {
        const char* const start = p_--;
        uint32_t min, max;
        if (read_interval(&min, &max)) broken("a repeat of nothing");
        p_ = start;
        return literal(c);
      }
      default: return literal(c);
    }
  }

  Item group(int depth) {
    if (!take_if("?")) return capture(depth);
    const auto wrap = [&](RegexNode::Kind kind, bool behind, bool negative) {
      NodePointer node = node_of(kind);
      node->behind = behind;
      node->negative = negative;
      node->children.push_back(choice(depth + 1));
      close();
      if (behind) check_behind(*node->children[0]);
      return made(std::move(node));
    };
    if (take_if("#")) {
      skip_comment();
      return {};
    }
    if (take_if(":")) return closed(choice(depth + 1));
    if (take_if(">")) return wrap(RegexNode::kAtomic, false, false);
    if (take_if("=")) return wrap(RegexNode::kLookaround, false, false);
    if (take_if("!")) return wrap(RegexNode::kLookaround, false, true);
    if (take_if("<=")) return wrap(RegexNode::kLookaround, true, false);
    if (take_if("<!")) return wrap(RegexNode::kLookaround, true, true);
    if (take_if("<")) {
      while (take() != '>') {
      }
      return capture(depth);
    }
    return option_group(depth);
  }

  // What it captures is not asked for; but it is a group of its own.
  Item capture(int depth) {
    NodePointer node = node_of(RegexNode::kSequence);
    node->children.push_back(choice(depth + 1));
    return closed(std::move(node));
  }

  Item closed(NodePointer node) {
    close();
    return made(std::move(node));
  }
  void skip_comment() {
    while (take() != ')') {
    }
  }
  void close() {
    if (!take_if(")")) broken("an unmatched (");
  }

  // (?i) (?i:...) (?im-i:...)
  Item option_group(int depth) {
    const Options outer = options_;
    for (bool value = true;;) {
      const char32_t c = take();
      if (c == 'i') {
        options_.any_case = value;
      } else if (c == 'm') {
        options_.dot_all = value;
      } else if (c == '-') {
        value = false;
      } else if (c == ':' || c == ')') {
        // A group of its own, or the rest of the one around, alternatives included.
        NodePointer node = node_of(RegexNode::kSequence);
        node->children.push_back(choice(depth + 1));
        options_ = outer;
        return c == ':' ? closed(std::move(node)) : made(std::move(node));
      } else {
        unsupported("a group (?" + std::string(1, c < 0x80 ? char(c) : '?'));
      }
    }
  }

  // Steps back over each alternative of a lookbehind.
  void check_behind(const RegexNode& node) const {
    const bool choice = node.kind == RegexNode::kChoice;
    const auto known = [](const auto& child) { return child->length().has_value(); };
    if (choice ? !std::all_of(node.children.begin(), node.children.end(), known) : !node.length()) {
      unsupported("a lookbehind of unknown length");
    }
  }

  // Wraps the node into the repeats that follow it; says whether there are any.
  bool repeat(NodePointer& node) {
    bool any = false;
    while (true) {
      while (take_if("(?#")) skip_comment();
      uint32_t min = 0, max = RegexNode::kUnlimited;
      bool interval = false;
      const char* const start = p_;
      if (take_if("*")) {
      } else if (take_if("+")) {
        min = 1;
      } else if (take_if("?")) {
        max = 1;
      } else if (peek() == '{') {
        if (!read_interval(&min, &max)) {
          p_ = start;
          return any;   // an ordinary {
        }
        interval = true;
      } else {
        return any;
      }
      any = true;
      if (is_empty_choice(*node)) broken("a repeat of what is empty");
      node = repeat_of(std::move(node), min, max);
      if (take_if("?")) {
        if (interval && min == max) {
          node = repeat_of(std::move(node), 0, 1);   // {n}? is all or nothing
        } else {
          node->greed = RegexNode::kLazy;
        }
      } else if (!interval && take_if("+")) {
        node->greed = RegexNode::kPossessive;
      }
    }
    return any;
  }

  static NodePointer repeat_of(NodePointer node, uint32_t min, uint32_t max) {
    NodePointer outer = node_of(RegexNode::kRepeat);
    outer->min = min;
    outer->max = max;
    outer->children.push_back(std::move(node));
    return outer;
  }

  // What the reference refuses to repeat.
  static bool is_empty_choice(const RegexNode& node) {
    if (node.kind == RegexNode::kAssert || node.kind == RegexNode::kLookaround) return true;
    return node.kind == RegexNode::kChoice &&
           std::any_of(node.children.begin(), node.children.end(), [](const auto& c) { return is_empty_choice(*c); });
  }

  bool read_number(uint32_t* value) {
    const char* const start = p_;
    uint64_t n = 0;
    while (!ends() && *p_ >= '0' && *p_ <= '9') {
      n = n * 10 + uint64_t(*p_++ - '0');
      if (n > kMaxRepeat) broken("a repeat of more than 100000 times");
    }
    *value = uint32_t(n);
    return p_ > start;
  }

  // {n} {n,} {,m} {n,m}
  bool read_interval(uint32_t* min, uint32_t* max) {
    take();
    const bool low = read_number(min);
    if (!take_if(",")) {
      *max = *min;
      return low && take_if("}");
    }
    const bool high = read_number(max);
    if (!high) *max = RegexNode::kUnlimited;
    if (!(low || high) || !take_if("}")) return false;
    if (*min > *max) unsupported("a repeat {n,m} with n > m");
    return true;
  }

  static bool is_digit(char32_t c, int base) {
    return (c >= '0' && c <= (base == 8 ? '7' : '9')) || (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f');
  }
  char32_t read_code(int base, int max_digits, int min_digits) {
    char32_t value = 0;
    int n = 0;
    for (; n < max_digits && !ends() && is_digit(peek(), base); ++n) {
      const char32_t digit = take();
      value = value * char32_t(base) + (digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
    if (n < min_digits) broken("a character's number that is too short");
    return value;
  }
  char32_t checked(char32_t c) const {
    if (c > CharacterSet::kLast || (c >= 0xd800 && c < 0xe000)) unsupported("a number that is no character");
    return c;
  }

  // The character that \c stands for, c being taken already; kEnd if it stands for something else.
  char32_t escaped_character(char32_t c) {
    switch (c) {
      case 't': return '\t';
      case 'n': return '\n';
      case 'r': return '\r';
      case 'f': return '\f';
      case 'v': return '\v';
      case 'a': return '\a';
      case 'e': return 0x1b;
      case '0':
        if (is_digit(peek(), 8)) unsupported("an octal number");
        return 0;
      case 'u': return checked(read_code(16, 4, 4));
      case 'x': {
        if (!take_if("{")) {
          const char32_t value = read_code(16, 2, 1);
          if (value >= 0x80) unsupported("a \\x for part of a character");
          return value;
        }
        const char32_t value = read_code(16, 8, 1);
        if (!take_if("}")) unsupported("a list of characters \\x{...}");
        return checked(value);
      }
      default: return c >= 0x80 || !(is_digit(c, 10) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) ? c : kEnd;
    }
  }

  // The set that \c stands for, in and out of brackets.
  std::optional<CharacterSet> escaped_set(char32_t c) {
    const auto either = [&](CharacterSet set, char32_t negated) { return c == negated ? set.inverted() : set; };
    switch (c) {
      case 'd':
      case 'D': return either(property("Nd"), 'D');
      case 's':
      case 'S': return either(property("White_Space"), 'S');
      case 'w':
      case 'W': return either(property("Word"), 'W');
      case 'h':
      case 'H': return either(property("XDigit"), 'H');
      case 'p':
      case 'P':
        if (!take_if("{")) unsupported("\\p without {");
        return either(named("}"), 'P');
      default: return {};
    }
  }

  // A property's name up to `close`.
  CharacterSet named(std::string_view close) {
    const bool inverted = take_if("^");
    const size_t length = std::string_view(p_, size_t(end_ - p_)).find(close);
    if (length == std::string_view::npos) broken("a property without an end");
    const std::string_view name(p_, length);
    CharacterSet set;
    if (!find_property(name, &set)) unsupported("the property " + std::string(name));
    if (close == ":]" && name == "punct") set.add(property("S"));   // unlike \p{Punct}
    p_ += length + close.size();
    return inverted ? set.inverted() : set;
  }

  Item escape() {
    const char32_t c = take();
    switch (c) {
      case 'A': return made(RegexNode::kTextBegin);
      case 'z': return made(RegexNode::kTextEnd);
      case 'Z': return made(RegexNode::kTextEndOrBreak);
      case 'b': return made(RegexNode::kWordEdge);
      case 'B': return made(RegexNode::kNoWordEdge);
      case 'N': return made(single('\n').inverted());
      case 'O': return made(everything());
      case 'R': return line_break();
      default: break;
    }
    if (auto set = escaped_set(c)) return made(outside_of_classes(std::move(*set)));
    const char32_t value = escaped_character(c);
    if (value == kEnd) unsupported("\\" + std::string(1, char(c)));
    return literal(value);
  }

  static CharacterSet outside_of_classes(CharacterSet set) {
    const CharacterSet word = property("Word");
    if (set == word) return word_characters();
    return set == word.inverted() ? word_characters().inverted() : set;
  }

  // (?>\r\n|[\n-\r\u0085\u2028\u2029])
  static Item line_break() {
    std::vector<NodePointer> both, branches;
    both.push_back(std::move(*made(single('\r')).node));
    both.push_back(std::move(*made(single('\n')).node));
    CharacterSet one = single(0x85);
    one.add('\n', '\r');
    one.add(0x2028, 0x2029);
    branches.push_back(sequence_of(std::move(both)));
    branches.push_back(std::move(*made(std::move(one)).node));
    NodePointer node = node_of(RegexNode::kAtomic);
    node->children.push_back(sequence_of(std::move(branches), RegexNode::kChoice));
    return made(std::move(node));
  }

  CharacterSet bracket(int depth) {
    const bool negative = peek() == '^';
    CharacterSet set = bracket_members(depth);
    if (options_.any_case) {
      if (!negative) check_case(set);
      set = text::any_case(set);
    }
    return negative ? set.inverted() : set;
  }

  // What stands between [ or [^ and its ], without regard to the ^.
  CharacterSet bracket_members(int depth) {
    if (depth > kMaxDepth) unsupported("too many nested classes");
    take_if("^");
    CharacterSet members, left = everything();   // left: what stands before the last &&
    if (peek() == ']') {
      // An ordinary character, if another ] follows.
      if (std::string_view(p_ + 1, size_t(end_ - p_ - 1)).find(']') == std::string_view::npos) broken("an empty class");
      members.add(take());
    }
    while (true) {
      if (ends()) broken("a class without an end");
      if (take_if("]")) break;
      if (take_if("&&")) {
        left = left.intersected(members);
        members = {};
        continue;
      }
      if (take_if("[:")) {
        members.add(named(":]"));
        check_range();
        continue;
      }
      if (take_if("[")) {
        const bool negative = peek() == '^';
        const CharacterSet inner = bracket_members(depth + 1);
        members.add(negative ? inner.inverted() : inner);
        check_range();
        continue;
      }
      char32_t first = take();
      if (first == '\\') {
        const char32_t c = take();
        if (auto set = escaped_set(c)) {
          members.add(*set);
          check_range();
          continue;
        }
        first = c == 'b' ? '\b' : escaped_character(c);
        if (first == kEnd) unsupported("\\" + std::string(1, char(c)) + " in a class");
      }
      if (peek() != '-' || std::string_view(p_, size_t(end_ - p_)).starts_with("-]")) {
        members.add(first);
        continue;
      }
      take();
      if (peek() == '[' || take_if("&&")) unsupported("a - before [ or && in a class");
      char32_t last = take();
      if (last == '\\') {
        const char32_t c = take();
        last = c == 'b' ? '\b' : escaped_character(c);
        if (last == kEnd) broken("a class as the end of a range");
      }
      if (last < first) broken("an empty range");
      members.add(first, last);
      if (take_if("-")) {   // no range begins with the end of another
        members.add('-');
        check_range();
      }
    }
    return left.intersected(members);
  }

  // After what cannot begin a range a - is an ordinary one only at the end.
  void check_range() const {
    const std::string_view rest(p_, size_t(end_ - p_));
    if (rest.starts_with("-") && !rest.starts_with("-]")) unsupported("a - that is no range in a class");
  }

  const std::string_view pattern_;
  const char* p_;
  const char* const end_;
  Options options_;
};

NodePointer parse_regex(std::string_view pattern) { return RegexParser(pattern).parse(); }

}  // namespace fastplm::text
