#include "model/generate/scores.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/tensor.h"
#include "ops/softmax.h"

namespace fastplm {
namespace {

[[noreturn]] void fail_of_nan(int64_t token) {
  fail(ErrorKind::kValue, "generate: the score of token ", token,
       " is NaN; expected a number: the weights hold NaN or infinity, or a logits processor made it "
       "(remove_invalid_values=True replaces it)");
}

TensorView view_of(float* data, size_t count) { return {data, DType::kF32, Device::kCpu, {1, int64_t(count)}}; }

// The largest score, where probabilities follow from it.
float finite_largest(std::span<const float> scores) {
  const float most = largest(scores);
  if (most == kNever) {
    fail(ErrorKind::kValue,
         "generate: every token's score is -inf; expected one that may be chosen: the settings "
         "forbid all of them");
  }
  if (std::isinf(most)) fail(ErrorKind::kValue, "generate: a score is infinite; expected finite ones to sample by");
  return most;
}

}  // namespace

float largest(std::span<const float> scores) {
  float most = kNever;
  bool numbers = true;
  for (float x : scores) {
    most = x > most ? x : most;
    numbers &= x == x;
  }
  if (!numbers) fail_of_nan(std::ranges::find_if(scores, [](float x) { return x != x; }) - scores.begin());
  return most;
}

int32_t best(std::span<const float> scores) {
  return int32_t(std::ranges::find(scores, largest(scores)) - scores.begin());
}

std::vector<float> probabilities(std::span<const float> scores) {
  finite_largest(scores);
  std::vector<float> result(scores.size());
  ops::softmax(view_of(const_cast<float*>(scores.data()), scores.size()), view_of(result.data(), result.size()));
  return result;
}

void log_softmax(std::span<float> scores) {
  const std::vector<float> p = probabilities(scores);
  const float most = largest(scores), log_sum = -std::log(*std::ranges::max_element(p));
  for (float& x : scores) x = x - most - log_sum;
}

static double total(std::span<const float> values) {
  double sum = 0;
  for (float value : values) sum += value;
  return sum;
}

// The first value above 0 where the running sum exceeds `target`; the last one where rounding keeps the sum below.
static int64_t at_mass(std::span<const float> values, double target) {
  constexpr size_t kBlock = 64;   // whose sum is taken first
  double sum = 0;
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const size_t end = std::min(begin + kBlock, values.size());
    const double mass = total(values.subspan(begin, end - begin));
    if (sum + mass <= target) {
      sum += mass;
      continue;
    }
    for (size_t i = begin; i < end; ++i) {
      sum += values[i];
      if (values[i] > 0 && sum > target) return int64_t(i);
    }
  }
  size_t last = values.size();
  while (last > 1 && values[last - 1] <= 0) --last;
  return int64_t(last) - 1;
}

int32_t sample(std::span<const float> scores, const Random& random, int64_t step) {
  const std::vector<float> p = probabilities(scores);
  return int32_t(at_mass(p, random.uniform(step) * total(p)));
}

std::vector<Scored> top(std::span<const float> scores, int64_t count) {
  largest(scores);
  count = std::min(count, int64_t(scores.size()));
  std::vector<Scored> heap;   // its first is the worst of the best
  heap.reserve(size_t(count) + 1);
  for (size_t i = 0; i < scores.size() && count > 0; ++i) {
    const Scored one{scores[i], int64_t(i)};
    if (int64_t(heap.size()) == count) {
      if (!(one < heap.front())) continue;
      std::pop_heap(heap.begin(), heap.end());
      heap.back() = one;
    } else {
      heap.push_back(one);
    }
    std::push_heap(heap.begin(), heap.end());
  }
  std::sort_heap(heap.begin(), heap.end());
  return heap;
}

std::vector<Scored> sample_several(std::span<const float> scores, int64_t count, const Random& random, int64_t step) {
  const std::vector<float> p = probabilities(scores);
  std::vector<int64_t> likely, others;   // tokens that have a chance, and those that have none
  std::vector<float> mass;
  for (size_t i = 0; i < p.size(); ++i) {
    (p[i] > 0 ? likely : others).push_back(int64_t(i));
    if (p[i] > 0) mass.push_back(p[i]);
  }
  std::vector<Scored> drawn;
  for (int64_t n = 0; n < std::min(count, int64_t(p.size())); ++n) {
    int64_t index;
    if (n < int64_t(likely.size())) {
      const int64_t at = at_mass(mass, random.uniform(step, n) * total(mass));
      mass[size_t(at)] = 0;
      index = likely[size_t(at)];
    } else {
      index = others[size_t(n) - likely.size()];
    }
    drawn.push_back({scores[size_t(index)], index});
  }
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

}  // namespace fastplm
