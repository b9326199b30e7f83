#include "text/models/unigram.h"

#include <algorithm>
#include <cmath>

#include "text/models/best_path.h"

namespace fastplm::text {

constexpr double kUnknownPenalty = 10;

static std::vector<std::pair<std::string_view, int32_t>> pieces_of(const Vocabulary& vocabulary) {
  std::vector<std::pair<std::string_view, int32_t>> pieces;
  pieces.reserve(size_t(vocabulary.size()));
  for (int64_t i = 0; i < vocabulary.size(); ++i) pieces.emplace_back(vocabulary.token(i), vocabulary.id(i));
  return pieces;
}

static std::vector<double> read_scores(const Value& settings, const Vocabulary& vocabulary) {
  std::vector<double> scores;
  for (const Value& score : settings.at("scores").array("scores")) {
    scores.push_back(score.number("score"));
    if (!std::isfinite(scores.back())) {
      fail(ErrorKind::kFile, "Unigram: the score of piece ", scores.size() - 1, " is ", scores.back(),
           "; expected a finite number");
    }
  }
  for (int64_t i = 0; i < vocabulary.size(); ++i) {
    if (size_t(vocabulary.id(i)) >= scores.size()) {
      fail(ErrorKind::kFile, "Unigram: piece \"", vocabulary.token(i), "\" has id ", vocabulary.id(i),
           ", but there are ", scores.size(), " scores");
    }
  }
  return scores;
}

Unigram::Unigram(const Value& settings, const Vocabulary& vocabulary)
    : Unigram(settings, vocabulary, read_scores(settings, vocabulary)) {}

Unigram::Unigram(const Value& settings, const Vocabulary& vocabulary, const std::vector<double>& scores)
    : pieces_(pieces_of(vocabulary),
              [&](const TrieUnit& unit) {
                return Piece{unit.link, unit.value, unit.value < 0 ? 0 : scores[size_t(unit.value)]};
              }),
      byte_fallback_(settings.b("byte_fallback", false)) {
  const Value* unk = settings.find("unk_id");
  unk_ = unk ? int32_t(unk->integer("unk_id")) : -1;
  if (unk && (unk->integer("unk_id") < 0 || unk->integer("unk_id") >= int64_t(scores.size()))) {
    fail(ErrorKind::kFile, "Unigram: unk_id is ", unk->integer("unk_id"), "; expected the id of one of ", scores.size(),
         " pieces");
  }
  if (!scores.empty()) unk_score_ = *std::min_element(scores.begin(), scores.end()) - kUnknownPenalty;

  no_piece_begins_.emplace([&](char32_t c) {
    char bytes[4];
    const int size = write_character(c, bytes);
    auto node = pieces_.root();
    return !std::all_of(bytes, bytes + size, [&](char byte) { return pieces_.step(node, byte); });
  });

  for (int byte = 0; byte < 256; ++byte) {
    static constexpr char kDigits[] = "0123456789ABCDEF";
    const char name[] = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
    bytes_[size_t(byte)] = vocabulary.id_of({name, sizeof(name)});
  }
}

template <class Add>
std::string_view Unigram::cut(std::string_view word, Add&& add) const {
  constexpr size_t kFlushBytes = 256;  // a way this long is finished where that is certain, which bounds memory
  BestPath<double> search;
  size_t unknown_begin = 0, unknown_end = 0;  // the unknown characters not passed on yet
  size_t origin = 0;  // of the search, in the word
  const auto flush = [&] {
    if (unknown_begin < unknown_end) {
      add_unknown(word.substr(unknown_begin, unknown_end - unknown_begin), uint32_t(unknown_begin), add);
    }
    unknown_begin = unknown_end;
  };
  const auto found = [&](int32_t id, size_t begin, size_t end) {
    if (id == unk_) {
      if (unknown_begin == unknown_end) unknown_begin = origin + begin;
      unknown_end = origin + end;
    } else {
      flush();
      add(id, uint32_t(origin + begin), uint32_t(origin + end));
    }
  };

  const char* const end = word.data() + word.size();
  for (size_t at = 0; origin + at < word.size();) {
    if (at >= kFlushBytes && search.reached() == at) {
      search.finish(at, found);
      origin += at;
      at = 0;
    }
    const char* const p = word.data() + origin + at;
    const size_t character = character_size(*p);
    double score = search.score(at);
    bool any = false, alone = false;  // whether a piece begins here, and whether the character is one
    const char* q = p;
    for (auto node = pieces_.root(); q < end && pieces_.step(node, *q);) {
      ++q;
      if (node.unit->value < 0) continue;
      const auto size = size_t(q - p);
      search.lead(at, at + size, node.unit->score + score, node.unit->value);
      any = true;
      alone |= size == character;
    }
    if (!any && unk_ >= 0 && search.reached() == at) {
      // Every way goes through here, and on through all characters that no piece begins with.
      search.finish(at, found);
      const auto begin = size_t(p - word.data());
      if (unknown_begin == unknown_end) unknown_begin = begin;
      const char* const known = no_piece_begins_->skip(p + character, end);
      for (const char* c = p; c < known; c += character_size(*c)) score += unk_score_;
      unknown_end = origin = size_t(known - word.data());
      search.restart(score);
      at = 0;
      continue;
    }
    if (!alone && search.lead(at, at + character, unk_score_ + score, unk_) && unk_ < 0) return {p, character};
    at += character;
  }
  search.finish(word.size() - origin, found);
  flush();
  return {};
}

// Unknown characters side by side may be a piece after all, where scores are large, or be written as bytes.
template <class Add>
void Unigram::add_unknown(std::string_view unknown, uint32_t begin, Add&& add) const {
  const auto end = uint32_t(begin + unknown.size());
  const Piece* const piece = pieces_.find(unknown);
  const int32_t id = piece ? piece->value : -1;
  const auto has_piece = [&](char byte) { return bytes_[uint8_t(byte)] >= 0; };
  if (id < 0 && byte_fallback_ && std::all_of(unknown.begin(), unknown.end(), has_piece)) {
    for (char byte : unknown) add(bytes_[uint8_t(byte)], begin, end);
  } else {
    add(id >= 0 ? id : unk_, begin, end);
  }
}

static void check(std::string_view missing) {
  if (missing.empty()) return;
  fail(ErrorKind::kValue, "Unigram: the character \"", missing,
       "\" is not in the vocabulary, and unk_id is null; expected the id of a piece");
}

void Unigram::tokenize(std::string_view word, std::vector<Token>& tokens) const {
  check(cut(word, [&](int32_t id, uint32_t begin, uint32_t end) { tokens.push_back({id, begin, end}); }));
}

void Unigram::append_ids_uncached(std::string_view word, Ids& ids) const {
  check(cut(word, [&](int32_t id, uint32_t, uint32_t) { ids.push(id); }));
}

void Unigram::append_ids(std::string_view word, Ids& ids) const {
  WordCache::of_thread().add(owner_, word, word.data() + word.size(), ids,
                             [&](std::string_view whole, Ids& to) { append_ids_uncached(whole, to); });
}

}  // namespace fastplm::text
