#include "text/fused/bert_scanner.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace fastplm::text {

static_assert(std::endian::native == std::endian::little, "eight characters are read as one little-endian word");

constexpr uint64_t kOnes = 0x0101010101010101u, kHighBits = 0x80 * kOnes;
constexpr size_t kWindow = 16;   // bytes looked at together
constexpr uint32_t kMaxPayload = (1u << 29) - 1;

// Eight ASCII characters at once: a bit of kHighBits per letter and per letter or digit. Bytes beyond ASCII have
// neither.
struct Classes {
  uint64_t letters, words;
};
static Classes classify(uint64_t eight) {
  const uint64_t low = eight & ~kHighBits, folded = (eight | 0x20 * kOnes) & ~kHighBits;
  const auto at_least = [](uint64_t bytes, uint64_t c) { return bytes + (0x80 - c) * kOnes; };
  const uint64_t ascii = ~eight & kHighBits;
  const uint64_t letters = at_least(folded, 'a') & ~at_least(folded, 'z' + 1) & ascii;
  const uint64_t digits = at_least(low, '0') & ~at_least(low, '9' + 1) & ascii;
  return {letters, letters | digits};
}

static uint64_t load(const char* p) {
  uint64_t eight;
  std::memcpy(&eight, p, sizeof(eight));
  return eight;
}

// The first n bytes, n <= 8.
static uint64_t first_bytes(uint64_t eight, size_t n) { return n < 8 ? eight & ((uint64_t(1) << 8 * n) - 1) : eight; }

// The tokens behind `prefix` that consist of up to 12 ASCII letters and digits.
static WordTable short_tokens(const Vocabulary& vocabulary, std::string_view prefix, int64_t max_size) {
  const auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
  std::vector<std::pair<ShortWord, int32_t>> words;
  for (int64_t i = 0; i < vocabulary.size(); ++i) {
    std::string_view token = vocabulary.token(i);
    if (!token.starts_with(prefix)) continue;
    token.remove_prefix(prefix.size());
    const bool fits = !token.empty() && token.size() <= ShortWord::kMaxSize && int64_t(token.size()) <= max_size;
    if (fits && std::all_of(token.begin(), token.end(), plain))
      words.emplace_back(ShortWord::of(token), vocabulary.id(i));
  }
  return WordTable(words);
}

BertScanner::BertScanner(const BertNormalizer& normalizer, const WordPiece& model, const Vocabulary& vocabulary)
    : normalizer_(normalizer),
      model_(model),
      actions_(0x10000),
      starts_(short_tokens(vocabulary, "", model.max_characters())),
      continuations_(short_tokens(vocabulary, model.continuing_prefix(), model.max_characters())),
      case_bits_(*normalizer.normalize('A').begin() == 'a' ? kHighBits : 0) {
  for (char32_t c = 0; c < actions_.size(); ++c) {
    const bool surrogate = c >= 0xd800 && c < 0xe000;
    actions_[c] = surrogate ? Action{kDropped, 0} : action_of(c);
  }
}

bool BertScanner::cut(ShortWord word, size_t size, Ids& ids) const {
  const int64_t before = ids.size();
  for (const WordTable* table = &starts_; size > 0; table = &continuations_) {
    size_t n = size;
    int32_t id = -1;
    for (; n > 0 && id < 0; --n) id = table->find(word.first(n));
    if (id < 0) {
      ids.resize(before);
      return false;
    }
    ids.push(id);
    ++n;   // the length that was found
    if (n == size) break;
    word = word.without_first(n);
    size -= n;
  }
  return true;
}

int32_t BertScanner::id_of_character(char32_t c) const {
  char bytes[4];
  const auto n = size_t(write_character(c, bytes));
  int32_t id = -1;
  if (!model_.cut({bytes, n}, 1, [&](int32_t found, uint32_t, uint32_t) { id = found; })) {
    id = model_.has_unknown() ? model_.unknown() : -1;
  }
  return uint32_t(id) <= kMaxPayload ? id : -1;
}

BertScanner::Action BertScanner::action_of(char32_t c) const {
  const Expansion normalized = normalizer_.normalize(c);
  for (char32_t part : normalized) {
    if (normalizer_.reordered(part)) return {kReordered, 0};
  }
  if (normalized.count == 0) return {kDropped, 0};
  if (normalized.count > 1) return {kExpands, 0};
  const char32_t only = *normalized.begin();
  const uint8_t flags = Unicode::get().flags(only);
  if (flags & kWhite) return {kSpace, 0};
  if (!(flags & kPunctuation) && !normalizer_.isolates(c)) return {kLetter, only};
  const int32_t id = id_of_character(only);
  return id >= 0 ? Action{kIsolated, uint32_t(id)} : Action{kExpands, 0};
}

// The normalized word that is being read.
class BertScanner::Word {
 public:
  Word(const WordPiece& model, Ids& ids) : model_(model), ids_(ids) {}

  void add(char32_t c) {
    // Characters past the limit only count.
    if (++characters_ > model_.max_characters()) return;
    if (size_ + 4 > bytes_.size()) bytes_.resize(2 * bytes_.size() + 64);
    size_ += size_t(write_character(c, &bytes_[size_]));
  }
  void end() {
    if (characters_ > 0) look_up({bytes_.data(), size_}, characters_);
    characters_ = 0;
    size_ = 0;
  }
  void look_up(std::string_view word, int64_t characters) {
    const int64_t before = ids_.size();
    if (!model_.cut(word, characters, [&](int32_t id, uint32_t, uint32_t) { ids_.push(id); })) {
      ids_.resize(before);
      ids_.push(model_.unknown());
    }
  }

 private:
  const WordPiece& model_;
  Ids& ids_;
  std::string bytes_;
  size_t size_ = 0;
  int64_t characters_ = 0;
};

bool BertScanner::run(std::string_view text, int64_t limit, Ids& ids) const {
  const int64_t before = ids.size();
  Word word(model_, ids);
  const char* p = text.data();
  const char* end = p + text.size();

  // The last bytes are read from a copy with room behind it.
  char tail[2 * kWindow];
  bool in_tail = false;
  while (true) {
    if (!in_tail && size_t(end - p) < kWindow) {
      const auto left = size_t(end - p);
      std::memset(tail, 0, sizeof(tail));
      std::memcpy(tail, p, left);
      p = tail;
      end = tail + left;
      in_tail = true;
    }
    if (p >= end || ids.size() >= limit) return true;

    if (uint8_t(*p) < 0x80) {
      const Action first = actions_[uint8_t(*p)];
      if (first.kind == kSpace || first.kind == kIsolated) {
        if (first.kind == kIsolated) ids.push(int32_t(first.payload));
        ++p;
        continue;
      }
    }

    // A word of ASCII letters and digits, as long as the window allows.
    const uint64_t low = load(p), high = load(p + 8);
    const Classes low_classes = classify(low), high_classes = classify(high);
    const auto low_length = size_t(std::countr_one(low_classes.words | ~kHighBits)) / 8;
    const auto high_length = size_t(std::countr_one(high_classes.words | ~kHighBits)) / 8;
    const size_t length = low_length < 8 ? low_length : 8 + high_length;
    const Action next = actions_[length < kWindow ? uint8_t(p[length]) : 0];
    const bool ends = length < kWindow && uint8_t(p[length]) < 0x80 && (next.kind == kSpace || next.kind == kIsolated);

    if (length > 0 && (ends || p + length == end)) {
      const size_t low_part = std::min<size_t>(length, 8);
      const uint64_t word_bytes[] = {first_bytes(low | (low_classes.letters & case_bits_) >> 2, low_part),
                                     first_bytes(high | (high_classes.letters & case_bits_) >> 2, length - low_part)};
      if (length > ShortWord::kMaxSize || int64_t(length) > model_.max_characters()) {
        word.look_up({reinterpret_cast<const char*>(word_bytes), length}, int64_t(length));
      } else {
        const ShortWord whole{word_bytes[0], uint32_t(word_bytes[1])};
        const int32_t id = starts_.find(whole);
        if (id >= 0) {
          ids.push(id);
        } else if (!cut(whole, length, ids)) {
          ids.push(model_.unknown());
        }
      }
      p += length + (ends && next.kind == kSpace);
      continue;
    }

    // Anything else: character by character to the end of the word.
    while (p < end) {
      const char32_t c = next_character(p);
      const Action action = action_at(c);
      if (action.kind == kLetter) {
        word.add(action.payload);
        continue;
      }
      if (action.kind == kDropped) continue;
      if (action.kind == kReordered) {
        ids.resize(before);
        return false;
      }
      if (action.kind != kExpands) {
        word.end();
        if (action.kind == kIsolated) ids.push(int32_t(action.payload));
        break;
      }
      const bool isolated = normalizer_.isolates(c);
      if (isolated) word.end();
      for (char32_t part : normalizer_.normalize(c)) {
        const uint8_t flags = Unicode::get().flags(part);
        if (flags & (kWhite | kPunctuation)) word.end();
        if (!(flags & kWhite)) word.add(part);
        if (flags & kPunctuation) word.end();
      }
      if (isolated) word.end();
    }
    word.end();
  }
}

}  // namespace fastplm::text
