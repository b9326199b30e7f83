// The search of Unigram models for the cut of a word whose pieces have the largest sum of scores.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include "core/buffer.h"

namespace fastplm::text {

inline size_t character_size(char first) {
  const auto byte = uint8_t(first);
  return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

// The best way to reach each place between the bytes of a word, from the last place that every way goes through.
template <class Score>
class BestPath {
 public:
  BestPath() { places_[0] = {0, 0, -1}; }

  Score score(size_t place) const { return places_[place].score; }
  // The farthest place that something leads to.
  size_t reached() const { return reached_; }

  // A piece leads from one place to another; false: another way there is as good.
  bool lead(size_t from, size_t to, Score score, int32_t id) {
    if (to >= known_) know(to);
    Place& place = places_[to];
    if (score <= place.score) return false;  // not so if that is a NaN
    place = {score, uint32_t(from), id};
    reached_ = std::max(reached_, to);
    return true;
  }

  // Passes the pieces that lead to `place` to add(id, begin, end), in order, and starts again from there.
  template <class Add>
  void finish(size_t place, Add&& add) {
    if (place == 0) return;
    for (uint32_t next = uint32_t(place), at = places_[place].from;;) {  // turns the way around
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
    restart(places_[place].score);
  }

  void restart(Score score) {
    places_[0].score = score;
    reached_ = 0;
    known_ = 1;
  }

  // Takes `score` away from all ways that lead to `place` or behind it.
  void lower(size_t place, Score score) {
    for (size_t i = place; i <= reached_; ++i) places_[i].score -= score;
  }

 private:
  struct Place {
    Score score;
    uint32_t from;  // where the last piece begins
    int32_t id;  // of that piece
  };

  // Makes the places up to `place` and some behind it known as not reached.
  void know(size_t place) {
    if (place >= size_) {
      Buffer larger(int64_t(2 * place * sizeof(Place)));
      std::copy_n(places_, known_, larger.as<Place>());
      large_ = std::move(larger);
      places_ = large_.as<Place>();
      size_ = 2 * place;
    }
    constexpr size_t kStep = 16;
    for (const size_t end = std::min(place + kStep, size_); known_ < end; ++known_)
      places_[known_].score = std::numeric_limits<Score>::quiet_NaN();
  }

  static constexpr size_t kInlinePlaces = 320;
  Place small_[kInlinePlaces];  // not cleared: nearly every word is short
  Buffer large_;
  Place* places_ = small_;
  size_t size_ = kInlinePlaces, known_ = 1, reached_ = 0;
};

}  // namespace fastplm::text
