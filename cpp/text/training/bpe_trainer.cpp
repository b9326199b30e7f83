#include "text/training/bpe_trainer.h"

#include <algorithm>
#include <limits>

#include "text/base/utf8.h"
#include "text/training/by_character.h"
#include "text/training/interrupt.h"

namespace fastplm::text {

constexpr int32_t kSeparator = std::numeric_limits<int32_t>::min();   // between words

static std::string written(char32_t c) {
  char bytes[4];
  return {bytes, size_t(write_character(c, bytes))};
}

BpeTrainer::BpeTrainer(const WordCounts& words, const BpeTrainerOptions& options)
    : vocab_size_(uint64_t(std::max<int64_t>(options.vocab_size, 0))),
      min_frequency_(uint64_t(std::max<int64_t>(options.min_frequency, 0))),
      max_length_(uint32_t(std::min<int64_t>(options.max_token_length.value_or(UINT32_MAX), UINT32_MAX))),
      prefix_(options.continuing_subword_prefix) {
  for (const std::string& token : options.special_tokens) id_of(token);
  choose_alphabet(words, options);
  spell(words, options);
  count_pairs();
}

int32_t BpeTrainer::id_of(std::string token) {
  const auto [at, is_new] = ids_.emplace(token, int32_t(tokens_.size()));
  if (is_new) tokens_.push_back(std::move(token));
  return at->second;
}

void BpeTrainer::choose_alphabet(const WordCounts& words, const BpeTrainerOptions& options) {
  ByCharacter<uint64_t> counts;
  for (int64_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words.word(i);
    const char* const end = word.data() + word.size();
    for (const char* p = word.data(); p < end;) counts[next_character(p)] += uint64_t(words.counts[size_t(i)]);
  }
  for (char32_t c : options.initial_alphabet) counts[c] = UINT64_MAX;
  std::vector<char32_t> kept;
  counts.each([&](char32_t c, uint64_t count) {
    if (count > 0) kept.push_back(c);
  });
  const auto limit = options.limit_alphabet ? size_t(*options.limit_alphabet) : kept.size();
  if (kept.size() > limit) {
    std::stable_sort(kept.begin(), kept.end(), [&](char32_t a, char32_t b) { return counts[a] > counts[b]; });
    kept.resize(limit);
    std::sort(kept.begin(), kept.end());
  }
  for (char32_t c : kept) id_of(written(c));
}

// Writes the words as tokens of one character each, with prefix and suffix. Other characters are left out.
void BpeTrainer::spell(const WordCounts& words, const BpeTrainerOptions& options) {
  constexpr int32_t kUnknown = -2, kLeftOut = -1;
  ByCharacter<int32_t> ids[2][2]{{ByCharacter(kUnknown), ByCharacter(kUnknown)},   // [is not the first][is the last]
                                 {ByCharacter(kUnknown), ByCharacter(kUnknown)}};
  const auto id = [&](char32_t c, bool continues, bool ends) {
    int32_t& found = ids[continues && !prefix_.empty()][ends && !options.end_of_word_suffix.empty()][c];
    if (found != kUnknown) return found;
    std::string token = written(c);
    if (!ids_.contains(token)) return found = kLeftOut;
    if (continues) token.insert(0, prefix_);
    if (ends) token += options.end_of_word_suffix;
    return found = id_of(std::move(token));
  };

  const uint64_t max_places = words.bytes.size() + uint64_t(words.size()) + 1;
  if (max_places > UINT32_MAX) {
    fail(ErrorKind::kValue, "training: the distinct words have ", words.bytes.size(),
         " bytes; expected less than 2^32");
  }
  places_.reserve(max_places);
  places_.push_back(kSeparator);
  word_begin_.reserve(size_t(words.size()));
  word_count_ = words.counts;
  for (int64_t i = 0; i < words.size(); ++i) {
    if (i % kInterruptEvery == 0) check_interrupt();
    const std::string_view word = words.word(i);
    const char* const begin = word.data();
    const char* const end = begin + word.size();
    word_begin_.push_back(uint32_t(places_.size()));
    for (const char* p = begin; p < end;) {
      const bool continues = p > begin;
      const char32_t c = next_character(p);
      const int32_t token = id(c, continues, p == end);
      if (token >= 0) places_.push_back(token);
    }
    places_.push_back(kSeparator);
  }
}

void BpeTrainer::count_pairs() {
  // Every place begins a pair or does not; the pairs' numbers are their places in `sizes`.
  struct Size {
    TokenPair pair;
    uint32_t count = 0, end = 0;
  };
  std::vector<Size> sizes;
  {
    PairTable numbers;
    std::vector<uint32_t> number_at;
    number_at.reserve(places_.size());
    const auto each = [&](auto&& visit) {
      for (uint32_t word = 0; word < word_begin_.size(); ++word) {
        if (word % kInterruptEvery == 0) check_interrupt();
        for (uint32_t place = word_begin_[word]; places_[place] >= 0 && places_[place + 1] >= 0; ++place) {
          visit(Occurrence{place, word}, TokenPair{places_[place], places_[place + 1]});
        }
      }
    };
    each([&](Occurrence at, TokenPair pair) {
      PairTable::Slot& slot = numbers[pair];
      if (slot.count == 0) {
        sizes.push_back({pair});
        slot.count = int64_t(sizes.size());
      }
      const auto number = uint32_t(slot.count - 1);
      number_at.push_back(number);
      ++sizes[number].count;
      pairs_[pair].count += word_count_[at.word];
    });
    uint32_t end = 0;
    for (Size& size : sizes) size.end = std::exchange(end, end + size.count);
    occurrences_.resize(number_at.size());
    size_t i = 0;
    each([&](Occurrence at, TokenPair) { occurrences_[sizes[number_at[i++]].end++] = at; });
  }
  for (const Size& size : sizes) push(size.pair, size.end - size.count, size.count);
}

void BpeTrainer::push(TokenPair pair, uint32_t begin, uint32_t size) {
  PairTable::Slot& slot = pairs_[pair];
  if (slot.count <= 0) return;
  slot.again = slot.queued;
  slot.queued = 1;
  queue_.push({uint64_t(slot.count), pair, begin, size});
}

void BpeTrainer::Queue::push(const Candidate& candidate) {
  if (candidate.count < low_ || heap_.empty()) {
    rest_.push_back(candidate);
    return;
  }
  heap_.push_back(candidate);
  std::push_heap(heap_.begin(), heap_.end());
}

bool BpeTrainer::Queue::pop(Candidate* next) {
  if (heap_.empty()) {
    if (rest_.empty()) return false;
    uint64_t largest = 0;
    for (const Candidate& candidate : rest_) largest = std::max(largest, candidate.count);
    low_ = largest - largest / 2;
    const auto low = std::partition(rest_.begin(), rest_.end(), [&](const Candidate& c) { return c.count < low_; });
    heap_.assign(low, rest_.end());
    rest_.erase(low, rest_.end());
    std::make_heap(heap_.begin(), heap_.end());
  }
  std::pop_heap(heap_.begin(), heap_.end());
  *next = heap_.back();
  heap_.pop_back();
  return true;
}

bool BpeTrainer::run(int64_t merges) {
  int64_t work = 0;
  while (merges > 0) {
    if (tokens_.size() >= vocab_size_) return false;
    Candidate top;
    if (!queue_.pop(&top)) return false;
    const auto count = uint64_t(int64_t(pairs_[top.pair].count));
    if (top.count != count) {   // what has changed since it was put there
      top.count = count;
      queue_.push(top);
      continue;
    }
    if (top.count < 1 || min_frequency_ > top.count) {
      queue_.push(top);
      return false;
    }
    std::string_view right = tokens_[size_t(top.pair.right)];
    if (!prefix_.empty() && right.starts_with(prefix_)) right.remove_prefix(prefix_.size());
    const int32_t token = id_of(tokens_[size_t(top.pair.left)] + std::string(right));
    merges_.push_back(top.pair);
    merge(top, token);
    --merges;
    work += 1 + top.size;
    if (work >= kInterruptEvery) {
      work = 0;
      check_interrupt();
    }
  }
  return true;
}

uint32_t BpeTrainer::next(uint32_t place) const {
  const int32_t after = places_[place + 1];
  return after >= 0 || after == kSeparator ? place + 1 : place + uint32_t(-after);
}

uint32_t BpeTrainer::previous(uint32_t place) const {
  const int32_t before = places_[place - 1];
  return before >= 0 ? place - 1 : before == kSeparator ? place : place - uint32_t(-before);
}

void BpeTrainer::merge(const Candidate& top, int32_t token) {
  left_.resize(tokens_.size());
  right_.resize(tokens_.size());
  if (!pairs_[top.pair].again && max_length_ == UINT32_MAX) {
    for (uint32_t i = top.begin; i < top.begin + top.size; ++i) merge_at(occurrences_[i], top.pair, token);
  } else {
    // These words may have more places with this pair, which other candidates hold or, with a maximal length, none
    // does. All are merged now.
    uint32_t last = UINT32_MAX;
    for (uint32_t i = top.begin; i < top.begin + top.size; ++i) {
      const uint32_t word = occurrences_[i].word;
      if (word == std::exchange(last, word)) continue;
      for (uint32_t place = word_begin_[word]; places_[place] != kSeparator; place = next(place)) {
        merge_at({place, word}, top.pair, token);
      }
    }
  }
  note_changes(top.pair, token);
}

BpeTrainer::Beside& BpeTrainer::beside(std::vector<Beside>& side, std::vector<int32_t>& touched, int32_t neighbour) {
  Beside& result = side[size_t(neighbour)];
  if (result.lost == 0) touched.push_back(neighbour);
  return result;
}

// Merges the pair at a place, if it is still there.
void BpeTrainer::merge_at(Occurrence at, TokenPair pair, int32_t token) {
  if (places_[at.place] != pair.left) return;
  const uint32_t middle = next(at.place);
  if (places_[middle] != pair.right) return;
  const uint32_t end = next(middle), length = end - at.place;
  places_[middle] = -1;
  places_[at.place] = token;
  places_[at.place + 1] = places_[end - 1] = -int32_t(length);

  const int64_t count = word_count_[at.word];
  if (const uint32_t before = previous(at.place); before != at.place) {
    const int32_t neighbour = places_[before];
    Beside& change = beside(left_, left_touched_, neighbour);
    change.lost += count;
    if (at.place - before + length < max_length_) {
      change.gained += count;
      found_.push_back({neighbour, true, {before, at.word}});
    }
  }
  if (const int32_t neighbour = places_[end]; neighbour != kSeparator) {
    Beside& change = beside(right_, right_touched_, neighbour);
    change.lost += count;
    if (next(end) - end + length < max_length_) {
      change.gained += count;
      found_.push_back({neighbour, false, {at.place, at.word}});
    }
  }
}

// Counts the changes beside the merged pair and puts the new pairs into the queue.
void BpeTrainer::note_changes(TokenPair pair, int32_t token) {
  for (int32_t neighbour : left_touched_) {
    pairs_[{neighbour, pair.left}].count -= left_[size_t(neighbour)].lost;
    pairs_[{neighbour, token}].count += left_[size_t(neighbour)].gained;
  }
  for (int32_t neighbour : right_touched_) {
    pairs_[{pair.right, neighbour}].count -= right_[size_t(neighbour)].lost;
    pairs_[{token, neighbour}].count += right_[size_t(neighbour)].gained;
  }
  // The pair of the new token with itself may be seen from both sides; it is one pair, noted on the left.
  if (right_[size_t(token)].gained > 0 && left_[size_t(token)].lost == 0) left_touched_.push_back(token);
  const auto side_of = [&](const Found& found) -> Beside& {
    const bool left = found.left || found.neighbour == token;
    return (left ? left_ : right_)[size_t(found.neighbour)];
  };
  const uint64_t first = occurrences_.size();
  if (first + found_.size() > UINT32_MAX) {
    fail(ErrorKind::kValue, "training: more than 2^32 pairs in the distinct words");
  }
  for (const Found& found : found_) ++side_of(found).seen;
  auto end = uint32_t(first);
  for (int32_t neighbour : left_touched_) {
    left_[size_t(neighbour)].end = std::exchange(end, end + left_[size_t(neighbour)].seen);
  }
  for (int32_t neighbour : right_touched_) {
    right_[size_t(neighbour)].end = std::exchange(end, end + right_[size_t(neighbour)].seen);
  }
  occurrences_.resize(first + found_.size());
  for (const Found& found : found_) occurrences_[side_of(found).end++] = found.at;
  for (int32_t neighbour : left_touched_) {
    Beside& side = left_[size_t(neighbour)];
    if (side.seen > 0) push({neighbour, token}, side.end - side.seen, side.seen);
    side = {};
  }
  for (int32_t neighbour : right_touched_) {
    Beside& side = right_[size_t(neighbour)];
    if (side.seen > 0) push({token, neighbour}, side.end - side.seen, side.seen);
    side = {};
  }
  left_touched_.clear();
  right_touched_.clear();
  found_.clear();
}

}  // namespace fastplm::text
