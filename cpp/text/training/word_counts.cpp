#include "text/training/word_counts.h"

#include <algorithm>

#include "core/parallel.h"
#include "text/base/maps.h"
#include "text/base/utf8.h"
#include "text/stages/byte_level.h"

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

// Cuts texts into words; keeps its memory from one text to the next.
class WordCounter::Reader {
 public:
  Reader(const WordCounter& counter, Table& table) : counter_(counter), table_(table) {}

  void count(std::string_view part) {
    if (part.size() >= UINT32_MAX / 4) {
      fail(ErrorKind::kValue, "training: a text has ", part.size(), " bytes; expected fewer than ", UINT32_MAX / 4);
    }
    if (!counter_.plan_) {
      normalize(part);
      if (text_.bytes.empty()) return;
      pieces_.assign(1, {0, uint32_t(text_.bytes.size())});
      if (counter_.pre_tokenizer_) counter_.pre_tokenizer_->run(text_, pieces_);
      for (const Piece& piece : pieces_) table_.add({text_.bytes.data() + piece.begin, piece.end - piece.begin}, 1);
      return;
    }
    if (counter_.normalizer_) {
      normalize(part);
      part = text_.bytes;
    }
    if (part.empty()) return;
    if (counter_.plan_->add_prefix_space && part[0] != ' ') {
      prefixed_ = ' ';
      prefixed_ += part;
      part = prefixed_;
    }
    scan(part);
  }

 private:
  void normalize(std::string_view part) {
    text_.bytes = part;
    text_.first = true;
    text_.origin = 0;
    text_.aligned = counter_.normalizer_ && counter_.pre_tokenizer_ && counter_.pre_tokenizer_->asks_for_spans();
    text_.spans.clear();
    if (text_.aligned) {
      text_.spans.reserve(part.size());
      uint32_t character = UINT32_MAX;   // the first byte of every character counts it
      for (char byte : part) {
        character += !is_continuation(byte);
        text_.spans.push_back({character, character + 1});
      }
    }
    if (counter_.normalizer_) counter_.normalizer_->run(text_);
  }

  void scan(std::string_view part) {
    const Scanner* const scanner = counter_.plan_->scanner;
    if (!scanner) return table_.add(part, 1);
    const char* p = part.data();
    const char* const end = p + part.size();
    uint32_t ends[256];
    while (p < end) {
      const size_t words = scanner->scan(p, end, ends, std::size(ends));
      uint32_t begin = 0;
      for (size_t i = 0; i < words; ++i) {
        table_.add({p + begin, ends[i] - begin}, 1);
        begin = ends[i];
      }
      p += begin;
    }
  }

  const WordCounter& counter_;
  Table& table_;
  Text text_;
  std::vector<Piece> pieces_;
  std::string prefixed_;
};

WordCounter::WordCounter(const Value& settings) {
  if (const Value* section = settings.find("normalizer")) normalizer_ = make_normalizer(*section);
  if (const Value* section = settings.find("pre_tokenizer")) pre_tokenizer_ = make_pre_tokenizer(*section);
  ByteLevelPlan plan;
  if (pre_tokenizer_ && find_byte_level_plan(*pre_tokenizer_, &plan)) plan_ = plan;
}

WordCounter::~WordCounter() = default;

std::unique_ptr<WordCounter::Table> WordCounter::borrow() {
  const std::lock_guard lock(lock_);
  if (tables_.empty()) return std::make_unique<Table>();
  std::unique_ptr<Table> table = std::move(tables_.back());
  tables_.pop_back();
  return table;
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
    Reader reader(*this, *table);
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      for (size_t i = chunk_begin[size_t(chunk)]; i < chunk_begin[size_t(chunk) + 1]; ++i) reader.count(texts[i]);
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

// Sorts runs, then joins them two by two: threads take part, and Ctrl-C need not wait for all of it.
template <class T, class Less>
static void sort_in_steps(std::vector<T>& items, const Less& less) {
  constexpr int64_t kRun = 1 << 16;
  const auto size = int64_t(items.size());
  const auto at = [&](int64_t i) { return items.begin() + std::min(i, size); };
  parallel_for(size, kRun, [&](int64_t begin, int64_t end) { std::sort(at(begin), at(end), less); });
  for (int64_t run = kRun; run < size; run *= 2) {
    parallel_for((size + 2 * run - 1) / (2 * run), 1, [&](int64_t first, int64_t last) {
      for (int64_t pair = first; pair < last; ++pair) {
        std::inplace_merge(at(2 * run * pair), at(2 * run * pair + run), at(2 * run * (pair + 1)), less);
      }
    });
  }
}

WordCounts WordCounter::take() {
  std::unique_ptr<Table> all = borrow();
  for (std::unique_ptr<Table>& table : std::exchange(tables_, {})) {
    for (const Table::Word& word : table->words()) all->add(table->text(word), word.count);
    table.reset();
  }
  if (plan_) {
    auto written = std::make_unique<Table>();
    std::string characters;
    for (const Table::Word& word : all->words()) {
      characters.clear();
      char bytes[4];
      for (char byte : all->text(word)) {
        const char32_t character = byte_level::kCharacters[uint8_t(byte)];
        characters.append(bytes, size_t(write_character(character, bytes)));
      }
      written->add(characters, word.count);
    }
    all = std::move(written);
  }
  std::vector<Table::Word>& words = all->words();
  sort_in_steps(words, [&](const Table::Word& a, const Table::Word& b) { return all->text(a) < all->text(b); });
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
