#include "text/stages/replacement.h"

namespace fastplm::text {

Replacement::Replacement(const Value& settings, const char* section) : content_(settings.s("content")) {
  const Value::Object& pattern = settings.at("pattern").object("pattern");
  if (pattern.size() != 1 || (pattern[0].first != "String" && pattern[0].first != "Regex")) {
    fail(ErrorKind::kFile, "tokenizer.json: ", section, " Replace: pattern is ", settings.at("pattern").describe(),
         "; expected an object with one member, String or Regex");
  }
  pattern_ = pattern[0].second.string(pattern[0].first);
  if (pattern[0].first == "Regex") regex_.emplace(pattern_);
}

bool Replacement::occurs_in(std::string_view text) const {
  if (text.empty()) return false;
  Regex::Match match{};
  return regex_ ? Regex::Search(*regex_, text).next(&match) : text.find(pattern_) != std::string_view::npos;
}

std::string Replacement::apply(std::string_view text) const {
  std::string result;
  result.reserve(text.size() + text.size() / 2);
  size_t done = 0;
  find(text, [&](size_t begin, size_t end) {
    result.append(text, done, begin - done) += content_;
    done = end;
  });
  return result.append(text, done);
}

}  // namespace fastplm::text
