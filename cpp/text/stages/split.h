// Pre-tokenizers that cut at delimiters: Split, and those with a fixed kind of delimiter.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>
#include "text/base/stage.h"
#include "text/regex/regex.h"
#include "text/stages/scanner.h"

namespace fastplm::text {

// What becomes of the delimiters. kContiguous: those in a row are one piece.
enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// The setting of that name. Throws Error(kFile).
Behavior read_behavior(const Value& settings, std::string_view fallback = "");

// A piece cut into delimiters and what stands between them.
struct Part {
  uint32_t begin, end;
  bool delimiter;
};

// Passes what becomes of the parts to add(begin, end), in order. Merges them in place.
template <class Add>
void merge(std::vector<Part>& parts, Behavior behavior, Add&& add) {
  const bool backwards = behavior == Behavior::kMergedWithNext;
  if (backwards) std::reverse(parts.begin(), parts.end());
  size_t kept = 0;
  bool previous = false;   // whether the last part was a delimiter; the first is taken to follow text
  for (const Part& part : parts) {
    bool joins = false;
    switch (behavior) {
      case Behavior::kRemoved:
      case Behavior::kIsolated: break;
      case Behavior::kMergedWithPrevious:
      case Behavior::kMergedWithNext: joins = part.delimiter && !previous; break;
      case Behavior::kContiguous: joins = part.delimiter == previous; break;
    }
    previous = part.delimiter;
    if (!joins || kept == 0) {
      parts[kept++] = part;
    } else if (backwards) {
      parts[kept - 1].begin = part.begin;
    } else {
      parts[kept - 1].end = part.end;
    }
  }
  parts.resize(kept);
  if (backwards) std::reverse(parts.begin(), parts.end());
  for (const Part& part : parts) {
    if (behavior != Behavior::kRemoved || !part.delimiter) add(part.begin, part.end);
  }
}

// Cuts at each character for which is_delimiter holds.
template <class IsDelimiter>
void split_at_characters(const Text& text, std::vector<Piece>& pieces, Behavior behavior, IsDelimiter&& is_delimiter) {
  std::vector<Part> parts;
  split(pieces, [&](uint32_t begin, uint32_t end, auto add) {
    parts.clear();
    const char* const base = text.bytes.data();
    uint32_t start = begin;
    for (const char* p = base + begin; p < base + end;) {
      const auto at = uint32_t(p - base);
      if (!is_delimiter(next_character(p))) continue;
      if (at > start) parts.push_back({start, at, false});
      start = uint32_t(p - base);
      parts.push_back({at, start, true});
    }
    if (end > start) parts.push_back({start, end, false});
    merge(parts, behavior, add);
  });
}

// Split: a string or a regex is the delimiter or, inverted, what stands between delimiters.
class Split final : public PreTokenizer {
 public:
  explicit Split(const Value& settings);
  void run(Text& text, std::vector<Piece>& pieces) const override;

 private:
  template <class Add>
  void find(std::string_view piece, Add&& add) const;   // add(begin, end) for each match

  std::string literal_;
  std::unique_ptr<Regex> regex_;   // null: literal_
  Behavior behavior_;
  bool invert_;
};

// One Split or several in turn, that a scanner does.
class ScannerSplit final : public PreTokenizer {
 public:
  explicit ScannerSplit(const Scanner& scanner) : scanner_(scanner) {}
  void run(Text& text, std::vector<Piece>& pieces) const override;
  const Scanner& scanner() const { return scanner_; }

 private:
  const Scanner& scanner_;
};

// The pattern of a Split that is Isolated and not inverted, null for any other pre-tokenizer.
const std::string* isolating_pattern(const Value& settings);

// A Split, or the ScannerSplit in its place.
std::unique_ptr<PreTokenizer> make_split(const Value& settings);

}  // namespace fastplm::text
