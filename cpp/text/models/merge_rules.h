// The merges of byte-pair encoding, from the tokens they are written in to the ids that the model works on.
#pragma once
#include <span>
#include <string_view>
#include <vector>
#include "text/base/vocabulary.h"

namespace fastplm::text {

// Side i is bytes[begins[i] .. ends[i]); merge m has the sides 2m and 2m + 1. Returns the place of each side in the
// vocabulary. Throws Error(kFile) if these are no places in the bytes, there is a side too many, or the vocabulary
// lacks one.
FASTPLM_EXPORT std::vector<int32_t> merge_sides(const Vocabulary& vocabulary, std::string_view bytes,
                                                std::span<const int64_t> begins, std::span<const int64_t> ends);

// The ids of left, right and what they make, in turn, of merges whose sides stand at `sides` in the vocabulary. They
// make the left token followed by the right one without its first `prefix` characters. Throws Error(kFile) if the
// vocabulary lacks that, or a side is no place in it.
FASTPLM_EXPORT std::vector<int32_t> merge_rules(const Vocabulary& vocabulary, std::span<const int32_t> sides,
                                                int64_t prefix);

}  // namespace fastplm::text
