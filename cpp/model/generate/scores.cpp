#include "model/generate/scores.h"

#include <algorithm>
#include <cmath>
#include <functional>

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

// op over all values, in eight chains that do not wait for each other.
template <class T, class Op>
T reduce(std::span<const float> values, T start, const Op& op) {
  constexpr size_t kChains = 8;
  T chains[kChains];
  std::fill_n(chains, kChains, start);
  size_t i = 0;
  for (; i + kChains <= values.size(); i += kChains) {
    for (size_t c = 0; c < kChains; ++c) chains[c] = op(chains[c], T(values[i + c]));
  }
  for (; i < values.size(); ++i) chains[0] = op(chains[0], T(values[i]));
  for (size_t c = 1; c < kChains; ++c) chains[0] = op(chains[0], chains[c]);
  return chains[0];
}

float largest_of(std::span<const float> values) {
  return reduce(values, kNever, [](float a, float b) { return a > b ? a : b; });
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
  const auto nan = [](float x) { return x != x; };
  // A sum is NaN where a value is, or where both infinities are.
  if (nan(reduce(scores, 0.0f, std::plus<>()))) {
    const auto found = std::ranges::find_if(scores, nan);
    if (found != scores.end()) fail_of_nan(found - scores.begin());
  }
  return largest_of(scores);
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
  const float most = largest(scores), log_sum = -std::log(largest_of(p));
  for (float& x : scores) x = x - most - log_sum;
}

static double total(std::span<const float> values) { return reduce(values, 0.0, std::plus<>()); }

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
  largest(scores);   // refuses NaN
  const size_t size = std::min(size_t(count), scores.size());
  std::vector<Scored> heap;   // its first is the worst of the best
  for (size_t i = 0; i < size; ++i) heap.push_back({scores[i], int64_t(i)});
  std::make_heap(heap.begin(), heap.end());
  for (size_t i = size; i < scores.size() && size > 0; ++i) {
    if (scores[i] <= heap.front().score) continue;   // of equal scores the earlier ones are better
    std::pop_heap(heap.begin(), heap.end());
    heap.back() = {scores[i], int64_t(i)};
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
