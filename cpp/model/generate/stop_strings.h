// Where generation ends because its text has come to a certain string.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/export.h"

namespace fastplm {

struct FASTPLM_EXPORT StopStrings {
  std::vector<std::string> strings;   // none of them empty
  std::string bytes;                  // the texts of all tokens, one behind another
  std::vector<int64_t> starts;        // [tokens + 1]: where each begins

  // Whether the text of ids holds one of the strings whose end lies in the last token.
  bool end(std::span<const int32_t> ids) const;
};

}  // namespace fastplm
