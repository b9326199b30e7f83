// Unicode properties by name, as the reference's regex engine has them (scripts/make_regex_tables.py).
#pragma once
#include <string_view>
#include <vector>
#include "text/regex/character_set.h"

namespace fastplm::text {

// The characters of \p{name}: a general category, a script, or another property. Case, spaces, '-' and '_' in the name
// do not matter. Returns false for a name that is not known.
bool find_property(std::string_view name, CharacterSet* characters);

// A property that is known to be there.
CharacterSet property(std::string_view name);

// What is part of a word to \w and \b outside of classes: Word and, only there, the numbers of Latin-1.
CharacterSet word_characters();

// What Digits takes for a digit.
const CharacterSet& pre_tokenizer_digits();

// The script of c by the pre-tokenizer UnicodeScripts; 0: part of any script.
int pre_tokenizer_script(char32_t c);

// The sets of characters that are the same without regard to case.
const std::vector<std::vector<char32_t>>& case_classes();

// A character that (?i) takes for a sequence of two or three, and for which it takes that sequence.
struct CaseSequence {
  char32_t character;
  std::vector<char32_t> sequence;
};
const std::vector<CaseSequence>& case_sequences();

}  // namespace fastplm::text
