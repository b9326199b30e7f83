// Unicode's canonical decomposition of a whole text, with the alignment the reference gives it.
#pragma once
#include "text/text.h"

namespace fastplm::text {
void decompose(Text& text);   // NFD
}
