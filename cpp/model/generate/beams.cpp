// Beam search and beam sampling.
#include <algorithm>
#include <cmath>

#include "core/parallel.h"
#include "model/generate/scores.h"
#include "model/generate/steps.h"

namespace fastplm {
namespace {

constexpr float kOut = -1e9f;   // what transformers adds to a score so that it loses

struct Beam {
  Ids ids;             // prompt included
  Ids from;            // of each new token, the row of the batch whose scores it was chosen by
  float score = kOut;
  bool done = false;   // of a kept result: it ended
};

// The beams of one prompt.
struct Search {
  std::vector<Beam> running, results;   // the best first
  bool improvable = true;               // may a running beam still become better than the results?
};

class Beams {
 public:
  Beams(const Generation& settings, const Hooks& hooks, NextToken& model, int64_t vocab)
      : settings_(settings), steps_(settings, hooks, vocab), model_(model), vocab_(vocab), n_(settings.beams) {
    candidates_ = std::max<int64_t>(2, 1 + int64_t(settings.eos.size())) * n_;
    if (candidates_ > n_ * vocab) {
      fail(ErrorKind::kValue, "generate: num_beams is ", n_, " and there are ", settings.eos.size(),
           " eos_token_id; expected at most ", n_ * vocab, " candidates, not ", candidates_);
    }
    for (const Ids& prompt : settings.prompts) {
      Search search;
      search.running.resize(size_t(n_), Beam{.ids = prompt, .from = {}});
      search.results = search.running;
      search.running[0].score = 0;   // the others are equal: they would give the same candidates again
      searches_.push_back(std::move(search));
    }
    for (int64_t row = 0; row < int64_t(searches_.size()) * n_; ++row) prompt_of_.push_back(row / n_);
  }

  Generated run() {
    std::vector<float> logits = prefill(settings_, model_, n_, vocab_);
    for (int64_t step = 0;; ++step) {
      if (settings_.keep_logits) made_.logits.push_back(logits);
      parallel_for(int64_t(prompt_of_.size()), 1, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; ++r) log_softmax(row_of(logits, r));
      });
      steps_.process(rows_of(&Search::running), prompt_of_, logits);
      if (settings_.keep_scores) made_.scores.push_back(logits);
      const bool all_ended = extend(logits, step);
      std::vector<int64_t> order;
      std::vector<int32_t> tokens;
      bool improvable = false, full = settings_.early_stop == EarlyStop::kFull;
      for (Search& search : searches_) {
        for (const Beam& beam : search.running) {
          order.push_back(beam.from.back());
          tokens.push_back(beam.ids.back());
        }
        update_improvable(search);
        improvable |= search.improvable;
        full &= std::ranges::all_of(search.results, &Beam::done);
      }
      model_.select(order);
      if (!improvable || full || all_ended) return finish();
      model_.step(tokens, logits.data());
    }
  }

 private:
  std::span<float> row_of(std::vector<float>& scores, int64_t row) const {
    return std::span(scores).subspan(size_t(row * vocab_), size_t(vocab_));
  }

  Hooks::Rows rows_of(std::vector<Beam> Search::* beams) const {
    Hooks::Rows rows;
    for (const Search& search : searches_) {
      for (const Beam& beam : search.*beams) rows.push_back(beam.ids);
    }
    return rows;
  }

  // The best continuations of each prompt's beams become running beams or results. Whether all of them ended.
  bool extend(std::vector<float>& scores, int64_t step) {
    std::vector<std::vector<Beam>> found(searches_.size());
    parallel_for(int64_t(searches_.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) found[size_t(b)] = candidates(b, scores, step);
    });
    Hooks::Rows rows;
    for (const auto& list : found) {
      for (const Beam& beam : list) rows.push_back(beam.ids);
    }
    const std::vector<uint8_t> ended = steps_.ended(rows);
    for (size_t b = 0; b < found.size(); ++b) {
      const std::span own(ended.data() + b * size_t(candidates_), size_t(candidates_));
      take(searches_[b], std::move(found[b]), own);
    }
    return std::ranges::all_of(ended, [](uint8_t e) { return e; });
  }

  std::vector<Beam> candidates(int64_t b, std::vector<float>& scores, int64_t step) const {
    const Search& search = searches_[size_t(b)];
    for (int64_t n = 0; n < n_; ++n) {
      for (float& x : row_of(scores, b * n_ + n)) x += search.running[size_t(n)].score;
    }
    const std::span<const float> all(scores.data() + b * n_ * vocab_, size_t(n_ * vocab_));
    const auto chosen =
        settings_.sample ? sample_several(all, candidates_, settings_.random[size_t(b)], step) : top(all, candidates_);
    std::vector<Beam> found;
    for (const Scored& one : chosen) {
      Beam beam = search.running[size_t(one.index / vocab_)];
      beam.ids.push_back(int32_t(one.index % vocab_));
      beam.from.push_back(int32_t(b * n_ + one.index / vocab_));
      beam.score = one.score;
      found.push_back(std::move(beam));
    }
    return found;
  }

  // The n best by `score`, the earlier first where they are equal.
  std::vector<Beam> best_of(std::vector<Beam> beams) const {
    std::ranges::stable_sort(beams, std::greater<>(), &Beam::score);
    beams.resize(size_t(n_));
    return beams;
  }

  void take(Search& search, std::vector<Beam> found, std::span<const uint8_t> ended) const {
    std::vector<Beam> running = found, results = search.results;
    for (size_t i = 0; i < found.size(); ++i) running[i].score += float(ended[i]) * kOut;
    const bool full = settings_.early_stop == EarlyStop::kFull && std::ranges::all_of(search.results, &Beam::done);
    for (size_t i = 0; i < found.size(); ++i) {
      Beam& beam = found[i];
      beam.done = ended[i] && int64_t(i) < n_;   // the others are there so that enough go on
      beam.score /= float(std::pow(double(beam.from.size()), settings_.length_penalty));
      beam.score += float(full) * kOut;
      beam.score += float(!search.improvable) * kOut;
      beam.score += float(!beam.done) * kOut;
      results.push_back(std::move(beam));
    }
    search.running = best_of(std::move(running));
    search.results = best_of(std::move(results));
  }

  void update_improvable(Search& search) const {
    const Beam& best = search.running[0];
    const size_t prompt = best.ids.size() - best.from.size();
    const bool hopes = settings_.early_stop == EarlyStop::kNever && settings_.length_penalty > 0;
    const double length = hopes ? double(settings_.beam_length) - double(prompt) : double(best.from.size());
    const float possible = best.score / float(std::pow(length, settings_.length_penalty));
    float worst = search.results[0].score;
    for (const Beam& result : search.results) worst = std::min(worst, result.score);
    search.improvable &= std::ranges::any_of(
        search.results, [&](const Beam& result) { return possible > (result.done ? worst : kOut); });
  }

  Generated finish() {
    size_t longest = 0;
    for (const Search& search : searches_) {
      for (int64_t n = 0; n < settings_.results; ++n)
        longest = std::max(longest, search.results[size_t(n)].from.size());
    }
    for (Search& search : searches_) {
      for (int64_t n = 0; n < settings_.results; ++n) {
        Beam& beam = search.results[size_t(n)];
        beam.ids.resize(beam.ids.size() + longest - beam.from.size(), settings_.fill);
        beam.from.resize(longest, -1);
        made_.sequences.push_back(std::move(beam.ids));
        made_.beam_indices.push_back(std::move(beam.from));
        made_.sequence_scores.push_back(beam.score);
      }
    }
    return std::move(made_);
  }

  const Generation& settings_;
  const Steps steps_;
  NextToken& model_;
  const int64_t vocab_, n_;
  int64_t candidates_;   // of each prompt: enough for n_ running beams when all others end
  std::vector<Search> searches_;
  std::vector<int64_t> prompt_of_;
  Generated made_;
};

}  // namespace

Generated search_beams(const Generation& settings, const Hooks& hooks, NextToken& model, int64_t vocab) {
  return Beams(settings, hooks, model, vocab).run();
}

}  // namespace fastplm
