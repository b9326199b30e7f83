// Unicode's normal forms of a whole text, with the alignment the reference gives them.
#pragma once
#include "text/base/text.h"
#include "text/unicode/unicode.h"

namespace fastplm::text {
void to_normal_form(Text& text, Form form);

// Whether it certainly is; may say false of such a text.
bool is_in_normal_form(std::string_view text, Form form);
}  // namespace fastplm::text
