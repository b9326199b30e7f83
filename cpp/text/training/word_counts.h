// The words of a corpus and how often each occurs: what every vocabulary is learned from.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include "core/value.h"
#include "text/base/stage.h"
#include "text/stages/byte_level_pre_tokenizer.h"

namespace fastplm::text {

// Distinct words in the order of their bytes.
struct WordCounts {
  std::string bytes;
  std::vector<uint64_t> begin{0};   // word i is bytes[begin[i] .. begin[i + 1])
  std::vector<int64_t> counts;

  int64_t size() const { return int64_t(counts.size()); }
  std::string_view word(int64_t i) const { return {bytes.data() + begin[i], size_t(begin[i + 1] - begin[i])}; }
};

// Counts words, as a tokenizer's normalizer and pre-tokenizer cut them; added tokens in a text are ordinary text. Its
// memory is that of the distinct words, once for each thread that counts.
class FASTPLM_EXPORT WordCounter {
 public:
  // settings: the sections normalizer and pre_tokenizer of tokenizer.json; each may be null. Throws as Tokenizer does.
  explicit WordCounter(const Value& settings);
  ~WordCounter();

  // Texts are valid UTF-8. Threads share them; the counts do not depend on how they do, nor on how a corpus is split
  // into calls. Throws Error(kValue) for a text of 1 GiB or more.
  void add(const std::vector<std::string_view>& texts);

  // Every line of `lines`, its "\n" included, is a text. False: `lines` is no valid UTF-8, and nothing was counted.
  bool add_lines(std::string_view lines);

  // All that was counted; the counter is empty afterwards.
  WordCounts take();

 private:
  class Table;
  class Reader;
  std::unique_ptr<Table> borrow();

  std::unique_ptr<Normalizer> normalizer_;
  std::unique_ptr<PreTokenizer> pre_tokenizer_;
  std::optional<ByteLevelPlan> plan_;  // then words are counted as bytes, and written as characters at last
  std::mutex lock_;
  std::vector<std::unique_ptr<Table>> tables_;  // those that no thread is using
};

}  // namespace fastplm::text
