// Filters of tokens by probability: what they leave out gets the score -inf. Of equal scores those of lower ids stay;
// torch's sorts say nothing about them. Masses are summed in float64, so that a token whose mass lies within rounding
// of the limit may fall on the other side than in transformers.
#include <algorithm>
#include <bit>
#include <cmath>

#include "model/generate/processors.h"
#include "model/generate/scores.h"

namespace fastplm {
namespace {

// Leaves out what `drop` says, but for the `keep` best.
template <class Drop>
void drop_but(std::span<float> scores, int64_t keep, const Drop& drop) {
  const std::vector<Scored> kept = top(scores, keep);
  for (size_t i = 0; i < scores.size(); ++i) scores[i] = drop(i) ? kNever : scores[i];
  for (const Scored& one : kept) scores[size_t(one.index)] = one.score;
}

// Below the cutoff, unless among the best `keep` scores or as good as them.
void drop_below(std::span<float> scores, std::span<const float> p, double cutoff, int64_t keep) {
  const float enough = top(scores, keep).back().score;
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] = p[i] < float(cutoff) && scores[i] < enough ? kNever : scores[i];
  }
}

// -log p of a token with score x is `least` - x.
struct Surprise {
  double least, entropy;   // entropy: its mean
};
Surprise surprise_of(std::span<const float> scores, std::span<const float> p) {
  const double least = double(largest(scores)) - std::log(double(largest(p)));
  double mean = 0;
  for (size_t i = 0; i < p.size(); ++i) mean += p[i] > 0 ? p[i] * (least - scores[i]) : 0;
  return {least, mean};
}

uint32_t bits_of(float x) { return std::bit_cast<uint32_t>(x); }   // in the order of floats that are not negative

// Keeps tokens by rising `rank`, of equal ones the lower id first, until their probabilities reach `mass` and there are
// `keep` of them. ties: all that equal the one which reaches the mass stay too. Ranks below 2^31.
void keep_mass(std::span<float> scores, std::span<const float> p, std::span<const uint32_t> rank, double mass,
               int64_t keep, bool ties) {
  // Tokens are counted by the leading bits of their rank, and only those on the border are sorted.
  constexpr int kShift = 20, kBins = 1 << 11;
  std::vector<double> masses(kBins);
  std::vector<int64_t> counts(kBins);
  for (size_t i = 0; i < p.size(); ++i) {
    masses[rank[i] >> kShift] += p[i];
    ++counts[rank[i] >> kShift];
  }
  double sum = 0;
  int64_t count = 0;
  uint32_t border = 0;  // bins below it are kept whole
  for (; border < kBins && (sum + masses[border] < mass || count + counts[border] <= keep); ++border) {
    sum += masses[border];
    count += counts[border];
  }
  std::vector<size_t> ids;  // of the border
  for (size_t i = 0; i < p.size(); ++i) {
    if (rank[i] >> kShift == border) ids.push_back(i);
  }
  std::ranges::stable_sort(ids, {}, [&](size_t i) { return rank[i]; });
  std::vector<float> kept;
  uint32_t last = 0;
  for (size_t i : ids) {
    if (sum >= mass && count >= keep && !(ties && rank[i] == last)) break;
    kept.push_back(scores[i]);
    if (sum < mass) last = rank[i];
    sum += p[i];
    ++count;
  }
  for (size_t i = 0; i < p.size(); ++i) scores[i] = rank[i] >> kShift < border ? scores[i] : kNever;
  for (size_t i = 0; i < kept.size(); ++i) scores[ids[i]] = kept[i];
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
  std::vector<uint32_t> rank(p.size());
  for (size_t i = 0; i < p.size(); ++i) rank[i] = bits_of(1) - std::min(bits_of(1), bits_of(p[i]));
  keep_mass(scores, p, rank, filter.mass, filter.keep, false);
}

void apply(const TopH& filter, std::span<float> scores) {
  constexpr int64_t kConsidered = 100;  // as many as transformers looks at
  const std::vector<Scored> best = top(scores, kConsidered);
  std::vector<float> values;
  for (const Scored& one : best) values.push_back(one.score);
  const std::vector<float> p = probabilities(values);
  const Surprise surprise = surprise_of(values, p);
  std::ranges::fill(scores, kNever);
  double entropy = 0;
  for (size_t i = 0; i < best.size(); ++i) {
    entropy += p[i] * (surprise.least - best[i].score);
    if (i > 0 && !(p[i] > 0 && entropy <= surprise.entropy * filter.value)) break;
    scores[size_t(best[i].index)] = best[i].score;
  }
}

void apply(const MinP& filter, std::span<float> scores) {
  const std::vector<float> p = probabilities(scores);
  const float least = float(filter.share) * largest(p);
  drop_but(scores, filter.keep, [&](size_t i) { return p[i] < least; });
}

void apply(const Typical& filter, std::span<float> scores) {
  const std::vector<float> p = probabilities(scores);
  const Surprise surprise = surprise_of(scores, p);
  std::vector<uint32_t> rank(p.size());  // by the distance to the entropy
  for (size_t i = 0; i < p.size(); ++i) {
    rank[i] = bits_of(float(std::abs(surprise.least - scores[i] - surprise.entropy)));
  }
  keep_mass(scores, p, rank, filter.mass, filter.keep, true);
}

void apply(const Epsilon& filter, std::span<float> scores) {
  drop_below(scores, probabilities(scores), filter.cutoff, filter.keep);
}

void apply(const Eta& filter, std::span<float> scores) {
  const std::vector<float> p = probabilities(scores);
  const double cutoff = std::min(filter.cutoff, std::sqrt(filter.cutoff) * std::exp(-surprise_of(scores, p).entropy));
  drop_below(scores, p, cutoff, filter.keep);
}

}  // namespace fastplm
