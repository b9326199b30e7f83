#include "text/models/sentencepiece_unigram.h"

#include <algorithm>
#include <limits>

#include "text/models/best_path.h"

namespace fastplm::text {

constexpr float kUnknownPenalty = 10;
constexpr float kLargeSum = 100000;

std::vector<std::pair<std::string_view, int32_t>> SentencePieceUnigram::pieces() const {
  std::vector<std::pair<std::string_view, int32_t>> found;
  for (int64_t i = 0; i < vocabulary_.size(); ++i) {
    const int32_t id = vocabulary_.id(i);
    if (kind(id) <= Kind::kUserDefined) found.emplace_back(vocabulary_.token(i), id);
  }
  return found;
}

SentencePieceUnigram::SentencePieceUnigram(const Value& settings, const Vocabulary& vocabulary)
    : SentencePieceUnigram(settings, vocabulary, read_scores(settings, vocabulary)) {}

SentencePieceUnigram::SentencePieceUnigram(const Value& settings, const Vocabulary& vocabulary,
                                           const std::vector<float>& scores)
    : SentencePieceModel(settings, vocabulary), pieces_(pieces(), [&](const TrieUnit& unit) {
        return Unit{unit.link, unit.value, unit.value < 0 ? 0 : score_of(unit.value, scores)};
      }) {
  float least = std::numeric_limits<float>::max();
  for (int32_t id = 0; id < ids_end(); ++id) {
    if (kind(id) == Kind::kNormal) least = std::min(least, scores[size_t(id)]);
  }
  unknown_score_ = least - kUnknownPenalty;
}

float SentencePieceUnigram::score_of(int32_t id, const std::vector<float>& scores) const {
  if (kind(id) != Kind::kUserDefined) return scores[size_t(id)];
  std::string_view piece;
  vocabulary_.find(id, &piece);
  return float(0.1 * (double(piece.size()) - 1));
}

template <class Found>
void SentencePieceUnigram::cut(std::string_view text, Found&& found) const {
  constexpr size_t kFlushBytes = 256;   // a way this long is finished where that is certain, which bounds memory
  BestPath<float> path;
  size_t origin = 0;   // of the path, in the text
  const auto pass = [&](int32_t id, size_t begin, size_t end) {
    found(id, uint32_t(origin + begin), uint32_t(origin + end));
  };
  const char* const end = text.data() + text.size();
  for (size_t at = 0; origin + at < text.size();) {
    if (at >= kFlushBytes && path.reached() == at) {
      path.finish(at, pass);
      origin += at;
      at = 0;
    }
    if (path.score(at) < -kLargeSum || path.score(at) > kLargeSum) path.lower(at, path.score(at));
    const float score = path.score(at);
    const char* const p = text.data() + origin + at;
    const size_t character = character_size(*p);
    bool alone = false;   // whether the character is a piece
    const char* q = p;
    for (auto node = pieces_.root(); q < end && pieces_.step(node, *q);) {
      ++q;
      if (node.unit->value < 0) continue;
      const auto size = size_t(q - p);
      path.lead(at, at + size, node.unit->score + score, node.unit->value);
      alone |= size == character;
    }
    if (!alone) path.lead(at, at + character, unknown_score_ + score, kUnknown);
    at += character;
  }
  path.finish(text.size() - origin, pass);
}

void SentencePieceUnigram::tokenize(std::string_view text, std::vector<Token>& tokens) const {
  const auto add = [&](int32_t id, uint32_t begin, uint32_t end) { tokens.push_back({id, begin, end}); };
  write(text, [&](auto found) { cut(text, found); }, add);
}

void SentencePieceUnigram::append_ids(std::string_view text, Ids& ids) const {
  const auto make = [&](std::string_view whole, Ids& to) {
    write(whole, [&](auto found) { cut(whole, found); }, [&](int32_t id, uint32_t, uint32_t) { to.push(id); });
  };
  WordCache::of_thread().add(owner_, text, text.data() + text.size(), ids, make);
}

}  // namespace fastplm::text
