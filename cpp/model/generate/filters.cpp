// Filters of tokens by probability: what they leave out gets the score -inf. Of equal scores those of lower ids stay;
// torch's sorts say nothing about them. Masses are summed in float64, so that a token whose mass lies within rounding
// of the limit may fall on the other side than in transformers.
#include <algorithm>
#include <cmath>

#include "model/generate/processors.h"
#include "model/generate/scores.h"

namespace fastplm {
namespace {

// Leaves out what `drop` says, but for the `keep` best.
template <class Drop>
void drop_but(std::span<float> scores, int64_t keep, const Drop& drop) {
  const std::vector<Scored> kept = top(scores, keep);
  for (size_t i = 0; i < scores.size(); ++i) {
    if (drop(i)) scores[i] = kNever;
  }
  for (const Scored& one : kept) scores[size_t(one.index)] = one.score;
}

double entropy_of(std::span<const float> p) {
  double sum = 0;
  for (float x : p) {
    if (x > 0) sum -= double(x) * std::log(double(x));
  }
  return sum;
}

// Below the cutoff, unless among the best `keep` scores or as good as them.
void drop_below(std::span<float> scores, std::span<const float> p, double cutoff, int64_t keep) {
  const float enough = top(scores, keep).back().score;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (p[i] < float(cutoff) && scores[i] < enough) scores[i] = kNever;
  }
}

}  // namespace

void apply(const TopK& filter, std::span<float> scores) {
  constexpr int64_t kFew = 1024;  // up to here a heap is faster than a selection among copies
  float least;
  if (filter.count >= int64_t(scores.size())) return;
  if (filter.count <= kFew) {
    least = top(scores, filter.count).back().score;
  } else {
    largest(scores);  // refuses NaN
    std::vector<float> copy(scores.begin(), scores.end());
    std::nth_element(copy.begin(), copy.begin() + filter.count - 1, copy.end(), std::greater<>());
    least = copy[size_t(filter.count) - 1];
  }
  for (float& x : scores) x = x < least ? kNever : x;
}

void apply(const TopP& filter, std::span<float> scores) {
  const std::vector<float> p = probabilities(scores);
  std::vector<Scored> order;
  for (size_t i = 0; i < p.size(); ++i) {
    if (p[i] > 0) order.push_back({p[i], int64_t(i)});
  }
  std::vector<float> kept(scores.size(), kNever);
  double mass = 0;
  int64_t count = 0;
  // A few of the best are often enough; only they are sorted.
  for (size_t sorted = 0, next = 256; count < filter.keep || mass < filter.mass; next *= 8) {
    next = std::min(next, order.size());
    std::partial_sort(order.begin() + int64_t(sorted), order.begin() + int64_t(next), order.end());
    for (; sorted < next && (count < filter.keep || mass < filter.mass); ++sorted, ++count) {
      const size_t token = size_t(order[sorted].index);
      kept[token] = scores[token];
      mass += p[token];
    }
    if (sorted == order.size()) break;
  }
  std::ranges::copy(kept, scores.begin());
}

void apply(const TopH& filter, std::span<float> scores) {
  constexpr int64_t kConsidered = 100;  // as many as transformers looks at
  const std::vector<Scored> best = top(scores, kConsidered);
  std::vector<float> values;
  for (const Scored& one : best) values.push_back(one.score);
  const std::vector<float> p = probabilities(values);
  const double limit = entropy_of(p) * filter.value;
  std::ranges::fill(scores, kNever);
  double entropy = 0;
  for (size_t i = 0; i < best.size(); ++i) {
    entropy = p[i] > 0 ? entropy - double(p[i]) * std::log(double(p[i])) : NAN;
    if (i > 0 && !(entropy <= limit)) break;
    scores[size_t(best[i].index)] = best[i].score;
  }
}

void apply(const MinP& filter, std::span<float> scores) {
  const std::vector<float> p = probabilities(scores);
  const float least = float(filter.share) * *std::ranges::max_element(p);
  drop_but(scores, filter.keep, [&](size_t i) { return p[i] < least; });
}

void apply(const Typical& filter, std::span<float> scores) {
  std::vector<float> p = probabilities(scores);
  std::vector<float> logs(scores.begin(), scores.end());
  log_softmax(logs);
  const double entropy = entropy_of(p);
  std::vector<Scored> order;  // by distance to the entropy, the nearest first
  for (size_t i = 0; i < p.size(); ++i) order.push_back({float(-std::abs(-double(logs[i]) - entropy)), int64_t(i)});
  std::sort(order.begin(), order.end());
  double mass = 0;
  size_t last = 0;
  for (; last + 1 < order.size() && (mass += p[size_t(order[last].index)]) < filter.mass; ++last) {
  }
  const float farthest = order[last].score;
  for (size_t i = size_t(filter.keep); i < order.size(); ++i) {
    if (order[i].score < farthest) scores[size_t(order[i].index)] = kNever;
  }
}

void apply(const Epsilon& filter, std::span<float> scores) {
  drop_below(scores, probabilities(scores), filter.cutoff, filter.keep);
}

void apply(const Eta& filter, std::span<float> scores) {
  const std::vector<float> p = probabilities(scores);
  const double cutoff = std::min(filter.cutoff, std::sqrt(filter.cutoff) * std::exp(-entropy_of(p)));
  drop_below(scores, p, cutoff, filter.keep);
}

}  // namespace fastplm
