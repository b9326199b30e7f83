#include "text/long_text.h"

#include "text/unicode/character_classes.h"

namespace fastplm::text {

static bool is_letter(char c) { return char(c | 0x20) >= 'a' && char(c | 0x20) <= 'z'; }

size_t find_cut(std::string_view text, size_t from) {
  const CharacterClasses& classes = CharacterClasses::get();
  for (size_t at = from; at + 1 < text.size(); ++at) {
    if (at == 0) continue;
    if (text[at] == ' ' && is_letter(text[at - 1]) && is_letter(text[at + 1])) return at;
    if (text[at - 1] == '\n' && (classes.at(text.data() + at).classes & kLetter)) return at;
  }
  return text.npos;
}

}  // namespace fastplm::text
