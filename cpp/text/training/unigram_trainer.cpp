#include "text/training/unigram_trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/parallel.h"
#include "text/base/maps.h"
#include "text/base/utf8.h"
#include "text/training/by_character.h"

namespace fastplm::text {

constexpr int64_t kMaxSeeds = 1000000;
constexpr double kHeadroom = 1.1;            // so many times the final size is left to the last rounds
constexpr double kMinExpected = 0.5;       // occurrences; a piece that is expected less often goes
constexpr int kLastEstimates = 4;
constexpr uint32_t kShortWord = 24;          // characters whose probabilities do not leave the range of double

UnigramTrainer::UnigramTrainer(const WordCounts& words, const UnigramTrainerOptions& options)
    : characters_(words),
      vocab_size_(options.vocab_size),
      shrinking_factor_(options.shrinking_factor),
      sub_iterations_(options.sub_iterations),
      excluded_(options.excluded) {
  Substrings seeds(characters_, options.max_piece_length);
  longest_at_ = std::move(seeds.longest_at);
  const std::vector<Substrings::Node>& nodes = seeds.nodes;

  TokenSet excluded(excluded_.begin(), excluded_.end());
  std::vector<char> has_length(options.max_piece_length + 1, 0);
  for (const std::string& token : excluded_) {
    if (const int64_t n = count_characters(token); n <= int64_t(options.max_piece_length)) has_length[size_t(n)] = 1;
  }
  std::vector<char> alive(nodes.size(), 1);
  std::vector<double> weights(nodes.size());
  std::vector<int32_t> long_ones;
  int64_t required = 0;   // characters
  ByCharacter<char> seen;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Substrings::Node& node = nodes[i];
    pieces_.push_back({node.parent, node.length, 0, node.place});
    weights[i] = double(node.count) * double(node.length);
    if (node.length == 1) {
      seen[characters_.text[node.place]] = 1;
      ++required;
      last_size_ += has_length[1] && excluded.contains(characters_.utf8(node.place, 1));
    } else if (has_length[node.length] && excluded.contains(characters_.utf8(node.place, node.length))) {
      alive[i] = 0;
    } else {
      long_ones.push_back(int32_t(i));
    }
  }
  for (char32_t c : options.initial_alphabet) {
    if (std::exchange(seen[c == 0 ? Characters::kZero : c], 1)) continue;
    unseen_.push_back(c);
    ++required;
  }
  last_size_ += vocab_size_ - int64_t(unseen_.size());
  if (required > vocab_size_) {
    fail(ErrorKind::kValue, "training: the corpus and the initial alphabet have ", required,
         " different characters, each of which becomes a piece; vocab_size leaves room for ", vocab_size_);
  }
  if (int64_t(long_ones.size()) > kMaxSeeds) {
    std::nth_element(long_ones.begin(), long_ones.begin() + kMaxSeeds, long_ones.end(), [&](int32_t a, int32_t b) {
      return weights[size_t(a)] != weights[size_t(b)] ? weights[size_t(a)] > weights[size_t(b)] : a < b;
    });
    for (size_t i = kMaxSeeds; i < long_ones.size(); ++i) alive[size_t(long_ones[i])] = 0;
  }
  scores_ = std::move(weights);
  keep(alive);
  set_scores(std::vector<double>(scores_), false);

  const size_t count = characters_.counts.size();
  part_begin_.push_back(0);
  for (int64_t part = 1; part <= kParts; ++part) {   // of about as many characters
    const uint64_t until = uint64_t(characters_.text.size()) * uint64_t(part) / kParts;
    const auto at = std::lower_bound(characters_.begin.begin(), characters_.begin.end(), until);
    part_begin_.push_back(part == kParts ? count : std::min(count, size_t(at - characters_.begin.begin())));
  }
}

template <class Visit>
void UnigramTrainer::for_parts(Visit&& visit) const {
  constexpr size_t kWordsAtOnce = 4096;   // between two looks at Ctrl-C
  parallel_for(kParts, 1, [&](int64_t first, int64_t last) {
    for (int64_t part = first; part < last; ++part) {
      const size_t end = part_begin_[size_t(part) + 1];
      for (size_t begin = part_begin_[size_t(part)]; begin < end; begin += kWordsAtOnce) {
        parallel_for(1, 1, [&](int64_t, int64_t) { visit(size_t(part), begin, std::min(begin + kWordsAtOnce, end)); });
      }
    }
  });
}

void UnigramTrainer::keep(const std::vector<char>& alive) {
  std::vector<int32_t> index(pieces_.size());   // of the longest piece that stays and begins this one
  size_t n = 0;
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const int32_t parent = pieces_[i].parent < 0 ? -1 : index[size_t(pieces_[i].parent)];
    index[i] = parent;
    if (!alive[i]) continue;
    index[i] = int32_t(n);
    scores_[n] = scores_[i];
    pieces_[n] = pieces_[i];
    pieces_[n++].parent = parent;
  }
  pieces_.resize(n);
  scores_.resize(n);
  for (int32_t& piece : longest_at_) {
    if (piece >= 0) piece = index[size_t(piece)];
  }
}

// The derivative of log gamma, for x > 0: exp(digamma(n)) is about n - 1/2, so that rare pieces get rarer.
static double digamma(double x) {
  double result = 0;
  for (; x < 7; ++x) result -= 1 / x;
  x -= 0.5;
  const double y = 1 / (x * x);
  return result + std::log(x) + y * (1.0 / 24 - y * (7.0 / 960 - y * (31.0 / 8064 - y * 127.0 / 30720)));
}

void UnigramTrainer::set_scores(const std::vector<double>& expected, bool sparse) {
  double sum = 0;
  for (double count : expected) sum += std::max(count, kMinExpected);
  const double all = sparse ? digamma(sum) : std::log(sum);
  for (size_t i = 0; i < expected.size(); ++i) {
    const double count = std::max(expected[i], kMinExpected);
    scores_[i] = (sparse ? digamma(count) : std::log(count)) - all;
    pieces_[i].probability = std::exp(scores_[i]);
  }
}

// Adds how often each piece is expected in the word, over all ways to cut it by their probabilities.
template <class Real>
void UnigramTrainer::add_expected(size_t word, std::vector<Real>& forward, std::vector<Real>& backward,
                                  std::vector<double>& expected) const {
  const uint32_t begin = characters_.begin[word], size = characters_.size(word);
  forward.assign(size + 1, 0);
  backward.assign(size + 1, 0);
  forward[0] = backward[size] = 1;
  for (uint32_t i = 0; i < size; ++i) {
    for (int32_t at = longest_at_[begin + i]; at >= 0; at = pieces_[size_t(at)].parent) {
      const Piece& piece = pieces_[size_t(at)];
      forward[i + piece.length] += forward[i] * Real(piece.probability);
    }
  }
  const Real scale = Real(characters_.counts[word]) / forward[size];
  for (uint32_t i = size; i-- > 0;) {
    Real sum = 0;
    for (int32_t at = longest_at_[begin + i]; at >= 0; at = pieces_[size_t(at)].parent) {
      const Piece& piece = pieces_[size_t(at)];
      const Real rest = Real(piece.probability) * backward[i + piece.length];
      sum += rest;
      expected[size_t(at)] += double(forward[i] * rest * scale);
    }
    backward[i] = sum;
  }
}

// Adds up what the parts found, in their order.
static std::vector<double> total(std::vector<std::vector<double>>& parts) {
  for (size_t part = 1; part < parts.size(); ++part) {
    for (size_t i = 0; i < parts[0].size(); ++i) parts[0][i] += parts[part][i];
  }
  return std::move(parts[0]);
}

std::vector<double> UnigramTrainer::expected_counts() const {
  std::vector<std::vector<double>> parts(kParts, std::vector<double>(pieces_.size()));
  for_parts([&](size_t part, size_t begin, size_t end) {
    std::vector<double> forward, backward;
    std::vector<long double> long_forward, long_backward;
    for (size_t word = begin; word < end; ++word) {
      if (characters_.size(word) <= kShortWord) {
        add_expected(word, forward, backward, parts[part]);
      } else {
        add_expected(word, long_forward, long_backward, parts[part]);
      }
    }
  });
  return total(parts);
}

double UnigramTrainer::best_way(uint32_t place, uint32_t length, int32_t other, std::vector<Way>& ways) const {
  ways.assign(length + 1, {-INFINITY, 0, -1});
  ways[0].score = 0;
  for (uint32_t i = 0; i < length; ++i) {
    for (int32_t at = longest_at_[place + i]; at >= 0; at = pieces_[size_t(at)].parent) {
      const uint32_t end = i + pieces_[size_t(at)].length;
      if (end > length || at == other) continue;
      const double score = ways[i].score + scores_[size_t(at)];
      if (score > ways[end].score) ways[end] = {score, i, at};
    }
  }
  return ways[length].score;
}

std::vector<double> UnigramTrainer::best_counts() const {
  std::vector<std::vector<double>> parts(kParts, std::vector<double>(pieces_.size()));
  for_parts([&](size_t part, size_t begin, size_t end) {
    std::vector<Way> ways;
    for (size_t word = begin; word < end; ++word) {
      best_way(characters_.begin[word], characters_.size(word), -1, ways);
      for (uint32_t at = characters_.size(word); at > 0; at = ways[at].from) {
        parts[part][size_t(ways[at].piece)] += double(characters_.counts[word]);
      }
    }
  });
  return total(parts);
}

// What each piece is worth: how much likelihood goes if the best way without it takes its place. Characters are worth
// any price; a piece that no best way uses is worth nothing.
std::vector<double> UnigramTrainer::losses() const {
  const std::vector<double> counts = best_counts();
  const double sum = std::accumulate(counts.begin(), counts.end(), 0.0);
  std::vector<double> result(pieces_.size(), INFINITY);
  parallel_for(size(), 4096, [&](int64_t begin, int64_t end) {
    std::vector<Way> ways;
    for (auto i = size_t(begin); i < size_t(end); ++i) {
      const Piece& piece = pieces_[i];
      if (piece.length == 1) continue;
      result[i] = 0;
      if (counts[i] == 0) continue;
      best_way(piece.place, piece.length, int32_t(i), ways);
      double alternative = 0;
      int parts = 0;
      for (uint32_t at = piece.length; at > 0; at = ways[at].from, ++parts) {
        alternative += std::log(counts[size_t(ways[at].piece)] + counts[i]);
      }
      alternative -= parts * std::log(sum + counts[i] * (parts - 1));
      result[i] = counts[i] * (std::log(counts[i]) - std::log(sum) - alternative);
    }
  });
  return result;
}

// Keeps `size` pieces, or all characters if those are more.
void UnigramTrainer::drop(int64_t size) {
  const std::vector<double> loss = losses();
  std::vector<int32_t> order(loss.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return loss[size_t(a)] > loss[size_t(b)]; });
  std::vector<char> alive(loss.size(), 0);
  for (size_t i = 0; i < order.size(); ++i) {
    const auto piece = size_t(order[i]);
    alive[piece] = pieces_[piece].length == 1 || int64_t(i) < size;
  }
  keep(alive);
}

bool UnigramTrainer::step() {
  const auto enough = std::max(last_size_, int64_t(double(last_size_) * kHeadroom));
  if (size() > enough) {
    for (int64_t i = 0; i < sub_iterations_; ++i) {
      const std::vector<double> expected = expected_counts();
      std::vector<char> alive(pieces_.size());
      for (size_t k = 0; k < alive.size(); ++k) alive[k] = pieces_[k].length == 1 || expected[k] >= kMinExpected;
      set_scores(expected, true);
      keep(alive);
    }
    drop(std::max(enough, int64_t(double(size()) * shrinking_factor_)));
    return true;
  }
  if (size() > last_size_) {
    set_scores(expected_counts(), true);
    drop(last_size_);
  }
  for (int i = 0; i < kLastEstimates; ++i) set_scores(expected_counts(), false);
  return false;
}

std::vector<UnigramTrainer::Scored> UnigramTrainer::pieces() const {
  TokenSet excluded(excluded_.begin(), excluded_.end());
  std::vector<Scored> result;
  const auto add = [&](std::string piece, double score) {
    if (!excluded.contains(piece)) result.push_back({std::move(piece), score});
  };
  for (size_t i = 0; i < pieces_.size(); ++i) add(characters_.utf8(pieces_[i].place, pieces_[i].length), scores_[i]);
  const double least = scores_.empty() ? 0 : *std::min_element(scores_.begin(), scores_.end());
  char bytes[4];
  for (char32_t c : unseen_) add({bytes, size_t(write_character(c, bytes))}, least);
  std::sort(result.begin(), result.end(), [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score > b.score : a.piece < b.piece;
  });
  return result;
}

}  // namespace fastplm::text
