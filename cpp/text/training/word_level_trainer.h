// A vocabulary of whole words: the most frequent ones.
#pragma once
#include <cstdint>
#include <vector>
#include "text/training/word_counts.h"

namespace fastplm::text {

// The indices of at most `most` words that occur at least `min_frequency` times, the most frequent first; of those that
// occur equally often, in the order of their bytes.
FASTPLM_EXPORT std::vector<int64_t> most_frequent(const WordCounts& words, int64_t min_frequency, int64_t most);

}  // namespace fastplm::text
