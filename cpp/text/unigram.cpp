#include "text/unigram.h"

#include <algorithm>
#include <cmath>

namespace fastplm::text {

constexpr double kUnknownPenalty = 10;

static size_t character_size(char first) {
  const auto byte = uint8_t(first);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

static std::vector<std::pair<std::string_view, int32_t>> pieces_of(const Vocabulary& vocabulary) {
  std::vector<std::pair<std::string_view, int32_t>> pieces;
  pieces.reserve(size_t(vocabulary.size()));
  for (int64_t i = 0; i < vocabulary.size(); ++i) pieces.emplace_back(vocabulary.token(i), vocabulary.id(i));
  return pieces;
}

Unigram::Unigram(const Value& settings, const Vocabulary& vocabulary)
    : pieces_(pieces_of(vocabulary)), byte_fallback_(settings.b("byte_fallback", false)) {
  const Value::Array& scores = settings.at("scores").array("scores");
  scores_.reserve(scores.size());
  for (const Value& score : scores) {
    scores_.push_back(score.number("score"));
    if (!std::isfinite(scores_.back())) {
      fail(ErrorKind::kFile, "Unigram: the score of piece ", scores_.size() - 1, " is ", scores_.back(),
           "; expected a finite number");
    }
  }
  const auto size = int64_t(scores_.size());
  for (int64_t i = 0; i < vocabulary.size(); ++i) {
    if (vocabulary.id(i) >= size) {
      fail(ErrorKind::kFile, "Unigram: piece \"", vocabulary.token(i), "\" has id ", vocabulary.id(i),
           ", but there are ", size, " scores");
    }
  }
  const Value* unk = settings.find("unk_id");
  unk_ = unk ? int32_t(unk->integer("unk_id")) : -1;
  if (unk && (unk->integer("unk_id") < 0 || unk->integer("unk_id") >= size)) {
    fail(ErrorKind::kFile, "Unigram: unk_id is ", unk->integer("unk_id"), "; expected the id of one of ", size,
         " pieces");
  }
  if (size > 0) unk_score_ = *std::min_element(scores_.begin(), scores_.end()) - kUnknownPenalty;

  for (int byte = 0; byte < 256; ++byte) {
    static constexpr char kDigits[] = "0123456789ABCDEF";
    const char name[] = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
    bytes_[size_t(byte)] = vocabulary.id_of({name, sizeof(name)});
  }
}

// The best way to reach each place between the bytes of a word, from the last place that every way goes through.
class Unigram::Search {
 public:
  static constexpr uint32_t kFarthest = UINT32_MAX;
  struct Place {
    double score;
    uint32_t from;   // where the last piece begins; kFarthest: nothing leads here
    int32_t id;      // of that piece
  };

  Place& operator[](size_t place) { return places_[place]; }

  // Makes the places up to `place` known.
  void reach(size_t place) {
    if (place >= size_) grow(place);
    while (reached_ < place) places_[++reached_].from = kFarthest;
  }
  size_t reached() const { return reached_; }

  // Passes the pieces that lead to `place` to add(id, begin, end), in order, and starts again from there.
  template <class Add>
  void finish(size_t place, Add&& add) {
    for (uint32_t next = uint32_t(place), at = places_[place].from;;) {   // turns the way around
      const uint32_t before = places_[at].from;
      places_[at].from = next;
      if (at == 0) break;
      next = at;
      at = before;
    }
    for (size_t begin = 0, end = 0; begin < place; begin = end) {
      end = places_[begin].from;
      add(places_[end].id, begin, end);
    }
    places_[0].score = places_[place].score;
    reached_ = 0;
  }

 private:
  void grow(size_t place) {
    std::vector<Place> larger(std::max(place + 1, 2 * size_));
    std::copy_n(places_, reached_ + 1, larger.begin());
    large_ = std::move(larger);
    places_ = large_.data();
    size_ = large_.size();
  }

  static constexpr size_t kSmall = 320;
  Place small_[kSmall];   // not cleared: nearly every word is short
  std::vector<Place> large_;
  Place* places_ = small_;
  size_t size_ = kSmall, reached_ = 0;
};

// The pieces that begin at each of some characters in a row. Their searches go through the trie side by side: each step
// waits for memory, and so they wait together.
class Unigram::Lookahead {
 public:
  Lookahead(const DoubleArray& pieces, const char* end) : pieces_(pieces), end_(end) {}

  // Passes the pieces at p to add(id, size), the shortest first. Each call goes on where the last one's character ends.
  template <class Add>
  void next(const char* p, Add&& add) {
    if (next_ == count_) look(p);
    Walk& walk = walks_[next_++];
    for (uint32_t i = 0; i < walk.found; ++i) add(walk.pieces[i].id, walk.pieces[i].size);
    if (!walk.goes_on) return;
    for (const char* q = p + kDeep; q < end_ && pieces_.step(walk.node, *q);) {
      ++q;
      if (walk.node.value >= 0) add(walk.node.value, uint32_t(q - p));
    }
  }

 private:
  static constexpr uint32_t kWide = 12, kDeep = 12;   // characters at once, and bytes
  struct Walk {
    DoubleArray::Node node;
    const char* begin;
    uint32_t found;
    bool goes_on;
    struct {
      int32_t id;
      uint32_t size;
    } pieces[kDeep];
  };

  void look(const char* p) {
    uint8_t active[kWide];
    uint32_t left = 0;
    for (; left < kWide && p < end_; p += character_size(*p), ++left) {
      Walk& walk = walks_[left];
      walk.node = pieces_.root();
      walk.begin = p;
      walk.found = 0;
      walk.goes_on = false;
      active[left] = uint8_t(left);
    }
    count_ = left;
    next_ = 0;
    for (uint32_t depth = 0; depth < kDeep && left > 0; ++depth) {
      uint32_t kept = 0;
      for (uint32_t i = 0; i < left; ++i) {
        const uint8_t at = active[i];
        Walk& walk = walks_[at];
        const char* const q = walk.begin + depth;
        if (q == end_ || !pieces_.step(walk.node, *q)) continue;
        walk.pieces[walk.found] = {walk.node.value, depth + 1};
        walk.found += walk.node.value >= 0;
        active[kept++] = at;
      }
      left = kept;
    }
    for (uint32_t i = 0; i < left; ++i) walks_[active[i]].goes_on = true;
  }

  const DoubleArray& pieces_;
  const char* const end_;
  uint32_t count_ = 0, next_ = 0;
  Walk walks_[kWide];
};

template <class Add>
std::string_view Unigram::cut(std::string_view word, Add&& add) const {
  constexpr size_t kOften = 256;   // a way this long is finished where that is certain, which bounds memory
  Search search;
  search[0] = {0.0, 0, -1};
  size_t unknown_begin = 0, unknown_end = 0;   // the unknown characters not passed on yet
  size_t origin = 0;                           // of the search, in the word
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

  Lookahead lookahead(pieces_, word.data() + word.size());
  for (size_t at = 0; origin + at < word.size();) {
    if (at >= kOften && search.reached() == at) {
      search.finish(at, found);
      origin += at;
      at = 0;
    }
    const char* const p = word.data() + origin + at;
    const size_t character = character_size(*p);
    const double score = search[at].score;
    const auto lead = [&](size_t place, double candidate, int32_t id) {
      search.reach(place);
      Search::Place& target = search[place];
      if (target.from == Search::kFarthest || candidate > target.score) target = {candidate, uint32_t(at), id};
    };
    bool alone = false;   // whether the character is a piece
    lookahead.next(p, [&](int32_t id, uint32_t size) {
      lead(at + size, scores_[size_t(id)] + score, id);
      alone |= size == character;
    });
    if (!alone) {
      const size_t place = at + character;
      search.reach(place);
      const double candidate = unk_score_ + score;
      if (unk_ >= 0) {
        lead(place, candidate, unk_);
      } else if (search[place].from == Search::kFarthest || candidate > search[place].score) {
        return {p, character};
      }
    }
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
  const int32_t id = pieces_.find(unknown);
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

void Unigram::append_ids_anew(std::string_view word, Ids& ids) const {
  check(cut(word, [&](int32_t id, uint32_t, uint32_t) { ids.push(id); }));
}

void Unigram::append_ids(std::string_view word, Ids& ids) const {
  WordCache::of_thread().add(owner_, word, word.data() + word.size(), ids,
                             [&](std::string_view whole, Ids& to) { append_ids_anew(whole, to); });
}

}  // namespace fastplm::text
