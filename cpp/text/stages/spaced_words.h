// Words as SentencePiece writes them, with U+2581 for each space before them.
#pragma once
#include <algorithm>
#include <string_view>

namespace fastplm::text {

constexpr std::string_view kSpaceSign = "\u2581";

// From `begin` on, the place of the next U+2581 with something else before it, or the end of the text.
inline size_t end_of_spaced_word(std::string_view text, size_t begin) {
  size_t at = text.find(kSpaceSign, begin + 1);
  while (at != text.npos && text.substr(0, at).ends_with(kSpaceSign))
    at = text.find(kSpaceSign, at + kSpaceSign.size());
  return std::min(at, text.size());
}

}  // namespace fastplm::text
