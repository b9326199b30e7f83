// Replaces what a pattern matches by a fixed text: the "Replace" of normalizers and decoders.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include "core/value.h"
#include "text/base/utf8.h"
#include "text/regex/regex.h"

namespace fastplm::text {

class Replacement {
 public:
  // {"pattern": {"String" or "Regex": ...}, "content": ...}. `section` is named in errors: Error(kFile) for a
  // damaged pattern, Error(kUnsupported) for a regular expression that the engine does not know.
  Replacement(const Value& settings, const char* section);

  const std::string& content() const { return content_; }
  std::string apply(std::string_view text) const;
  bool occurs_in(std::string_view text) const;   // whether something matches

  // Passes each match, from left to right and without overlaps, to found(begin, end). The empty pattern
  // matches in front of every character and at the end. Nothing matches in an empty text.
  template <class Found>
  void find(std::string_view text, Found&& found) const;

 private:
  std::string pattern_, content_;
  std::optional<Regex> regex_;   // if the pattern is one
};

template <class Found>
void Replacement::find(std::string_view text, Found&& found) const {
  if (text.empty()) return;
  if (regex_) {
    Regex::Search search(*regex_, text);
    for (Regex::Match match{}; search.next(&match);) found(match.begin, match.end);
    return;
  }
  if (!pattern_.empty()) {
    for (size_t at = 0; (at = text.find(pattern_, at)) != std::string_view::npos; at += pattern_.size())
      found(at, at + pattern_.size());
    return;
  }
  for (size_t at = 0; at < text.size(); ++at) {
    if (!is_continuation(text[at])) found(at, at);
  }
  found(text.size(), text.size());
}

}  // namespace fastplm::text
