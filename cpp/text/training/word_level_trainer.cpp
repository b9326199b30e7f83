#include "text/training/word_level_trainer.h"

#include <algorithm>

namespace fastplm::text {

std::vector<int64_t> most_frequent(const WordCounts& words, int64_t min_frequency, int64_t most) {
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < words.size(); ++i) {
    if (words.counts[size_t(i)] >= min_frequency) chosen.push_back(i);
  }
  std::stable_sort(chosen.begin(), chosen.end(),
                   [&](int64_t a, int64_t b) { return words.counts[size_t(a)] > words.counts[size_t(b)]; });
  if (int64_t(chosen.size()) > most) chosen.resize(size_t(std::max<int64_t>(most, 0)));
  return chosen;
}

}  // namespace fastplm::text
