// From many texts, or pairs of them, to rows of token ids: tokenizing, truncation, special tokens.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>
#include "text/tokenizer.h"

namespace fastplm::text {

// One side of a batch: sequence i is pieces[begin[i] .. begin[i + 1]): one text, or its words if `words`.
struct Sequences {
  std::vector<std::string_view> pieces;
  std::vector<int64_t> begin{0};
  bool words = false;
  int64_t size() const { return int64_t(begin.size()) - 1; }
};

enum class Truncation { kNone, kLongestFirst, kOnlyFirst, kOnlySecond };

struct BatchOptions {
  bool add_special_tokens = true;
  bool align = false;                  // keep spans and words
  bool overflow = false;               // rows for what truncation cuts off
  bool split_special_tokens = false;
  Truncation truncation = Truncation::kNone;
  int64_t max_length = 0;              // of a row with its special tokens
  int64_t stride = 0;                  // tokens that neighbouring rows of one sequence share
  bool truncate_left = false;
};

// Rows one after the other, without padding. A row is made of parts: special tokens and pieces of sequences.
struct Batch {
  struct Part {
    int32_t count, type_id, sequence;
  };   // sequence -1: special tokens

  Ids ids;
  std::vector<int64_t> row_begin{0};    // per row + 1, into ids, spans and words
  std::vector<Part> parts;
  std::vector<int64_t> part_begin{0};   // per row + 1
  std::vector<int32_t> sample;          // per row, the text it came from
  std::vector<Span> spans;              // per token, only if asked for
  std::vector<int32_t> words;           // per token, -1: none; only if asked for
  Written written;                      // only if asked for

  int64_t rows() const { return int64_t(sample.size()); }
  int64_t length(int64_t row) const { return row_begin[row + 1] - row_begin[row]; }
};

// `second` is null, or as long as `first`. The result does not depend on the number of threads.
// Throws Error(kValue) for a stride that truncation cannot make, a truncation that cannot be met, and a word
// that is unknown where the vocabulary has no unknown token.
FASTPLM_EXPORT Batch encode(const Tokenizer& tokenizer, const Sequences& first, const Sequences* second,
                            const BatchOptions& options);

}  // namespace fastplm::text
