// Arithmetic over the scores of one row.
#pragma once
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "model/generate/random.h"

namespace fastplm {

constexpr float kNever = -std::numeric_limits<float>::infinity();   // the score of what may not be chosen

// The largest score; throws kValue for NaN.
float largest(std::span<const float> scores);
// The token with the largest score, the first of several. Throws kValue for NaN.
int32_t best(std::span<const float> scores);

// exp(scores) over its sum. Throws kValue for NaN, infinity, and where nothing may be chosen.
std::vector<float> probabilities(std::span<const float> scores);
// scores minus the logarithm of the sum of exp(scores), in place. Throws likewise.
void log_softmax(std::span<float> scores);

// A token by its probability.
int32_t sample(std::span<const float> scores, const Random& random, int64_t step);

struct Scored {
  float score;
  int64_t index;
  bool operator<(const Scored& other) const {   // the best is first
    return score > other.score || (score == other.score && index < other.index);
  }
};
// The `count` best of them, the best first; fewer if there are fewer. Throws kValue for NaN.
std::vector<Scored> top(std::span<const float> scores, int64_t count);
// `count` different ones, drawn one after another by their probability; the best first.
std::vector<Scored> sample_several(std::span<const float> scores, int64_t count, const Random& random, int64_t step);

}  // namespace fastplm
