#include "model/generate/processors.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/generate/scores.h"

namespace fastplm {
namespace {

Ids ids_from(const Value& list, std::string_view name, int64_t vocab) {
  Ids ids;
  for (const Value& item : list.array(name)) {
    const int64_t id = item.integer(name);
    if (id < 0 || id >= vocab) {
      fail(ErrorKind::kValue, "generate: ", name, " holds ", id, "; expected ids from 0 to ", vocab - 1);
    }
    ids.push_back(int32_t(id));
  }
  return ids;
}

SequenceBias bias_from(const Value& v, int64_t vocab) {
  SequenceBias bias;
  for (const Value& item : v.at("sequences").array("sequences")) {
    const auto& pair = item.array("sequences");
    bias.sequences.push_back(
        {ids_from(pair.at(0), "sequence_bias or bad_words_ids", vocab), float(pair.at(1).number("sequences"))});
  }
  return bias;
}

Processor processor_from(const Value& v, int64_t vocab) {
  const std::string& kind = v.s("kind");
  const auto ids = [&] { return ids_from(v.at("ids"), kind, vocab); };
  const auto known_ids = [&] {   // those that there are: the others cannot be chosen anyway
    Ids known;
    for (const Value& item : v.at("ids").array(kind)) {
      const int64_t id = item.integer(kind);
      if (id >= 0 && id < vocab) known.push_back(int32_t(id));
    }
    return known;
  };
  const auto f = [&](const char* name) { return float(v.d(name)); };
  if (kind == "sequence_bias") return bias_from(v, vocab);
  if (kind == "source_penalty") return SourcePenalty{f("penalty")};
  if (kind == "repetition_penalty") return RepetitionPenalty{f("penalty")};
  if (kind == "count_penalty") return CountPenalty{f("presence"), f("frequency")};
  if (kind == "no_repeat") return NoRepeat{v.i_in("size", 1, 1 << 30)};
  if (kind == "no_repeat_of_source") return NoRepeatOfSource{v.i_in("size", 1, 1 << 30)};
  if (kind == "min_length") return MinLength{v.i("length"), known_ids()};
  if (kind == "force") return Force{v.i("length"), ids()};
  if (kind == "remove_invalid") return RemoveInvalid{};
  if (kind == "decay_length") return DecayLength{v.i("length"), v.d("factor"), ids()};
  if (kind == "suppress") return Suppress{v.i("length"), known_ids()};
  if (kind == "call") return Call{v.i("index")};
  if (kind == "mask") return Mask{v.i("index")};
  if (kind == "temperature") return Temperature{f("value")};
  if (kind == "top_h") return TopH{v.d("value")};
  if (kind == "top_k") return TopK{v.i_in("count", 1, INT64_MAX)};
  if (kind == "normalize") return Normalize{};
  const int64_t keep = v.i_in("keep", 1, INT64_MAX);
  if (kind == "top_p") return TopP{v.d("mass"), keep};
  if (kind == "min_p") return MinP{v.d("share"), keep};
  if (kind == "typical") return Typical{v.d("mass"), keep};
  if (kind == "epsilon") return Epsilon{v.d("cutoff"), keep};
  if (kind == "eta") return Eta{v.d("cutoff"), keep};
  fail(ErrorKind::kInternal, "generate: no processor is called ", kind);
}

// Multiplies what is below 0 and divides the rest, once for each token of `ids`.
void penalise(std::span<const int32_t> ids, float penalty, std::span<float> scores) {
  std::vector<std::pair<int32_t, float>> changed;
  for (int32_t id : ids) {
    if (size_t(id) >= scores.size()) continue;   // the table of tokens may be longer than the projection
    const float x = scores[size_t(id)];
    changed.emplace_back(id, x < 0 ? x * penalty : x / penalty);
  }
  for (const auto& [id, x] : changed) scores[size_t(id)] = x;
}

bool ends_with(std::span<const int32_t> ids, std::span<const int32_t> end) {
  return ids.size() >= end.size() && std::ranges::equal(ids.last(end.size()), end);
}

// Forbids each token that follows, somewhere in `where`, the last size - 1 tokens of `ids`.
void forbid_ngrams(std::span<const int32_t> where, std::span<const int32_t> ids, int64_t size,
                   std::span<float> scores) {
  const size_t n = size_t(size);
  if (ids.size() + 1 < n) return;
  const auto prefix = ids.last(n - 1);
  for (size_t i = 0; i + n <= where.size(); ++i) {
    const size_t next = size_t(where[i + n - 1]);
    if (next < scores.size() && std::ranges::equal(where.subspan(i, n - 1), prefix)) scores[next] = kNever;
  }
}

void forbid(const Ids& ids, std::span<float> scores) {
  for (int32_t id : ids) scores[size_t(id)] = kNever;
}

struct Apply {
  const Row& row;
  std::span<float> scores;

  void operator()(const SequenceBias& p) const {
    for (const auto& [ids, bias] : p.sequences) {
      if (ends_with(row.ids, std::span(ids).first(ids.size() - 1))) scores[size_t(ids.back())] += bias;
    }
  }
  void operator()(const SourcePenalty& p) const { penalise(row.source, 1 / p.penalty, scores); }
  void operator()(const RepetitionPenalty& p) const {
    penalise(row.ids.subspan(std::min(size_t(row.shown), row.ids.size())), p.penalty, scores);
  }
  void operator()(const CountPenalty& p) const {
    Ids fresh(row.ids.begin() + std::min(row.prompt, int64_t(row.ids.size())), row.ids.end());
    std::ranges::sort(fresh);
    for (size_t i = 0; i < fresh.size(); ++i) {
      if (size_t(fresh[i]) >= scores.size()) continue;
      const bool first = i == 0 || fresh[i] != fresh[i - 1];
      scores[size_t(fresh[i])] -= p.frequency + (first ? p.presence : 0);
    }
  }
  void operator()(const NoRepeat& p) const {
    if (int64_t(row.ids.size()) >= p.size) forbid_ngrams(row.ids, row.ids, p.size, scores);
  }
  void operator()(const NoRepeatOfSource& p) const { forbid_ngrams(row.source, row.ids, p.size, scores); }
  void operator()(const MinLength& p) const {
    if (int64_t(row.ids.size()) < p.length) forbid(p.eos, scores);
  }
  void operator()(const Force& p) const {
    if (int64_t(row.ids.size()) != p.length) return;
    std::ranges::fill(scores, kNever);
    for (int32_t id : p.ids) scores[size_t(id)] = 0;
  }
  void operator()(const RemoveInvalid&) const {
    constexpr float kLargest = std::numeric_limits<float>::max();
    for (float& x : scores) x = std::isnan(x) ? 0 : std::clamp(x, -kLargest, kLargest);
  }
  void operator()(const DecayLength& p) const {
    const int64_t behind = int64_t(row.ids.size()) - p.length;
    if (behind <= 0) return;
    const float factor = float(std::pow(p.factor, double(behind)) - 1);
    std::vector<float> changed;
    for (int32_t id : p.eos) {
      const float x = scores[size_t(id)];
      changed.push_back(std::isfinite(x) ? x + std::abs(x) * factor : x);
    }
    for (size_t i = 0; i < p.eos.size(); ++i) scores[size_t(p.eos[i])] = changed[i];
  }
  void operator()(const Suppress& p) const {
    if (p.length < 0 || int64_t(row.ids.size()) == p.length) forbid(p.ids, scores);
  }
  void operator()(const Call&) const {}
  void operator()(const Mask&) const {}
  void operator()(const Temperature& p) const {
    for (float& x : scores) x /= p.value;
  }
  void operator()(const Normalize&) const { log_softmax(scores); }
  template <class Filter>
  void operator()(const Filter& filter) const {
    apply(filter, scores);
  }
};

}  // namespace

std::vector<Processor> processors_from(const Value& settings, int64_t vocab) {
  std::vector<Processor> processors;
  for (const Value& item : settings.array("processors")) processors.push_back(processor_from(item, vocab));
  return processors;
}

void keep_marked(std::span<const uint32_t> words, std::span<float> scores) {
  if (words.size() != (scores.size() + 31) / 32) {
    fail(ErrorKind::kValue, "generate: a mask of ", words.size(), " words for ", scores.size(), " tokens; expected ",
         (scores.size() + 31) / 32);
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!(words[i / 32] >> i % 32 & 1)) scores[i] = kNever;
  }
}

void apply(const Processor& processor, const Row& row, std::span<float> scores) {
  std::visit(Apply{row, scores}, processor);
}

}  // namespace fastplm
