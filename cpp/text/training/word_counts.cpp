#include "text/training/word_counts.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/parallel.h"
#include "text/maps.h"
#include "text/utf8.h"

namespace fastplm::text {

constexpr size_t kChunkBytes = 64 << 10;   // what one thread takes at a time
constexpr size_t kTextBytes = 32;          // what a text costs, however short

// A hash table of words that only grows.
class WordCounter::Table {
 public:
  struct Word {
    uint64_t begin;
    int64_t count;
    uint32_t size;
  };

  void add(std::string_view word, int64_t count) {
    const auto hash = uint32_t(TokenHash{}(word) >> 16);
    for (size_t at = hash & mask_;; at = (at + 1) & mask_) {
      Slot& slot = slots_[at];
      if (slot.word == kFree) {
        slot = {hash, uint32_t(words_.size())};
        words_.push_back({bytes_.size(), count, uint32_t(word.size())});
        bytes_ += word;
        if (words_.size() * 2 > slots_.size()) grow();
        return;
      }
      if (slot.hash == hash && text(words_[slot.word]) == word) {
        words_[slot.word].count += count;
        return;
      }
    }
  }

  std::string_view text(const Word& word) const { return {bytes_.data() + word.begin, word.size}; }
  std::vector<Word>& words() { return words_; }
  size_t bytes() const { return bytes_.size(); }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  struct Slot {
    uint32_t hash, word = kFree;
  };

  void grow() {
    if (words_.size() >= kFree / 2) fail(ErrorKind::kValue, "training: more than 2^31 distinct words");
    std::vector<Slot> larger(slots_.size() * 2);
    mask_ = larger.size() - 1;
    for (const Slot& slot : slots_) {
      if (slot.word == kFree) continue;
      size_t at = slot.hash & mask_;
      while (larger[at].word != kFree) at = (at + 1) & mask_;
      larger[at] = slot;
    }
    slots_ = std::move(larger);
  }

  std::vector<Slot> slots_ = std::vector<Slot>(1 << 12);
  size_t mask_ = (1 << 12) - 1;
  std::vector<Word> words_;
  std::string bytes_;
};

WordCounter::WordCounter(const Value& settings) {
  if (const Value* section = settings.find("normalizer")) normalizer_ = make_normalizer(*section);
  if (const Value* section = settings.find("pre_tokenizer")) pre_tokenizer_ = make_pre_tokenizer(*section);
}

WordCounter::~WordCounter() = default;

std::unique_ptr<WordCounter::Table> WordCounter::borrow() {
  const std::lock_guard lock(lock_);
  if (tables_.empty()) return std::make_unique<Table>();
  std::unique_ptr<Table> table = std::move(tables_.back());
  tables_.pop_back();
  return table;
}

void WordCounter::count(std::string_view part, Text& text, std::vector<Piece>& pieces, Table& table) const {
  if (part.size() >= UINT32_MAX / 4) {
    fail(ErrorKind::kValue, "training: a text has ", part.size(), " bytes; expected fewer than ", UINT32_MAX / 4);
  }
  text.bytes = part;
  text.first = true;
  text.origin = 0;
  text.aligned = normalizer_ && pre_tokenizer_ && pre_tokenizer_->asks_for_spans();
  text.spans.clear();
  if (text.aligned) {
    text.spans.reserve(part.size());
    uint32_t character = UINT32_MAX;   // the first byte of every character counts it
    for (char byte : part) {
      character += !is_continuation(byte);
      text.spans.push_back({character, character + 1});
    }
  }
  if (normalizer_) normalizer_->run(text);
  if (text.bytes.empty()) return;
  pieces.assign(1, {0, uint32_t(text.bytes.size())});
  if (pre_tokenizer_) pre_tokenizer_->run(text, pieces);
  for (const Piece& piece : pieces) table.add({text.bytes.data() + piece.begin, piece.end - piece.begin}, 1);
}

void WordCounter::add(const std::vector<std::string_view>& texts) {
  std::vector<size_t> chunk_begin{0};
  size_t bytes = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    bytes += texts[i].size() + kTextBytes;
    if (bytes >= kChunkBytes || i + 1 == texts.size()) {
      chunk_begin.push_back(i + 1);
      bytes = 0;
    }
  }
  parallel_for(int64_t(chunk_begin.size()) - 1, 1, [&](int64_t begin, int64_t end) {
    std::unique_ptr<Table> table = borrow();
    Text scratch;
    std::vector<Piece> pieces;
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      for (size_t i = chunk_begin[chunk]; i < chunk_begin[chunk + 1]; ++i) count(texts[i], scratch, pieces, *table);
    }
    const std::lock_guard lock(lock_);
    tables_.push_back(std::move(table));
  });
}

bool WordCounter::add_lines(std::string_view lines) {
  if (!is_utf8(lines)) return false;
  std::vector<std::string_view> texts;
  while (!lines.empty()) {
    const size_t size = std::min(lines.find('\n'), lines.size() - 1) + 1;
    texts.push_back(lines.substr(0, size));
    lines.remove_prefix(size);
  }
  add(texts);
  return true;
}

WordCounts WordCounter::take() {
  const std::unique_ptr<Table> all = borrow();
  for (std::unique_ptr<Table>& table : std::exchange(tables_, {})) {
    for (const Table::Word& word : table->words()) all->add(table->text(word), word.count);
    table.reset();
  }
  std::vector<Table::Word>& words = all->words();
  std::sort(words.begin(), words.end(),
            [&](const Table::Word& a, const Table::Word& b) { return all->text(a) < all->text(b); });
  WordCounts result;
  result.bytes.reserve(all->bytes());
  result.begin.reserve(words.size() + 1);
  result.counts.reserve(words.size());
  for (const Table::Word& word : words) {
    result.bytes += all->text(word);
    result.begin.push_back(result.bytes.size());
    result.counts.push_back(word.count);
  }
  return result;
}

}  // namespace fastplm::text
