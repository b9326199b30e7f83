#include "text/stages/split.h"

namespace fastplm::text {

constexpr std::string_view kBehaviors[] = {"Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"};

Behavior read_behavior(const Value& settings, std::string_view fallback) {
  const std::string name = fallback.empty() ? settings.s("behavior") : settings.s("behavior", fallback);
  const auto* const found = std::find(std::begin(kBehaviors), std::end(kBehaviors), name);
  if (found != std::end(kBehaviors)) return Behavior(found - kBehaviors);
  std::string known;
  for (std::string_view behavior : kBehaviors) known.append(" ").append(behavior);
  fail(ErrorKind::kFile, "\"behavior\" is \"", name, "\"; expected one of", known);
}

// The one member of "pattern": its name, "String" or "Regex", and its text.
static const std::pair<std::string, Value>& read_pattern(const Value& settings) {
  const Value::Object& members = settings.at("pattern").object("pattern");
  if (members.size() == 1 && (members[0].first == "String" || members[0].first == "Regex")) return members[0];
  fail(ErrorKind::kFile, "\"pattern\" is ", settings.at("pattern").describe(),
       "; expected one member, String or Regex");
}

Split::Split(const Value& settings) : behavior_(read_behavior(settings)), invert_(settings.b("invert")) {
  const auto& [kind, value] = read_pattern(settings);
  const std::string& pattern = value.string(kind);
  // An empty string is found between all characters, as the empty regex is.
  if (kind == "Regex" || pattern.empty()) {
    regex_ = std::make_unique<Regex>(pattern);
  } else {
    literal_ = pattern;
  }
}

template <class Add>
void Split::find(std::string_view piece, Add&& add) const {
  if (regex_) {
    Regex::Search search(*regex_, piece);
    for (Regex::Match match; search.next(&match);) add(match.begin, match.end);
    return;
  }
  for (size_t at = piece.find(literal_); at != std::string_view::npos;
       at = piece.find(literal_, at + literal_.size())) {
    add(at, at + literal_.size());
  }
}

void Split::run(Text& text, std::vector<Piece>& pieces) const {
  std::vector<Part> parts;
  split(pieces, [&](uint32_t begin, uint32_t end, auto add) {
    parts.clear();
    uint32_t start = begin;
    find({text.bytes.data() + begin, end - begin}, [&](size_t from, size_t to) {
      const uint32_t match_begin = begin + uint32_t(from), match_end = begin + uint32_t(to);
      if (match_begin > start) parts.push_back({start, match_begin, invert_});
      parts.push_back({match_begin, match_end, !invert_});
      start = match_end;
    });
    if (end > start) parts.push_back({start, end, invert_});
    merge(parts, behavior_, add);
  });
}

void ScannerSplit::run(Text& text, std::vector<Piece>& pieces) const {
  split(pieces, [&](uint32_t begin, uint32_t end, auto add) {
    const char* const base = text.bytes.data();
    uint32_t ends[256];
    while (begin < end) {
      const size_t count = scanner_.scan(base + begin, base + end, ends, std::size(ends));
      const uint32_t offset = begin;
      for (size_t i = 0; i < count; ++i) {
        add(begin, offset + ends[i]);
        begin = offset + ends[i];
      }
    }
  });
}

const std::string* isolating_pattern(const Value& settings) {
  if (settings.s("type") != "Split" || read_behavior(settings) != Behavior::kIsolated || settings.b("invert"))
    return {};
  const auto& [kind, value] = read_pattern(settings);
  return kind == "Regex" ? &value.string(kind) : nullptr;
}

std::unique_ptr<PreTokenizer> make_split(const Value& settings) {
  const std::string* pattern = isolating_pattern(settings);
  const Scanner* scanner = pattern ? find_scanner(*pattern) : nullptr;
  if (scanner) return std::make_unique<ScannerSplit>(*scanner);
  return std::make_unique<Split>(settings);
}

}  // namespace fastplm::text
