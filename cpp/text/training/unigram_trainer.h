// Learns a Unigram vocabulary (arXiv:1804.10959): from many frequent substrings, those are dropped step by step that
// the corpus' likelihood misses least.
//
// Each round estimates the pieces' probabilities by expectation maximisation over all ways to cut every word, then
// drops the pieces whose loss is smallest. The last rounds estimate plain maximum likelihood for the pieces that stay.
// Results do not depend on the number of threads.
#pragma once
#include <cstdint>
#include <string>
#include <vector>
#include "text/training/substrings.h"
#include "text/training/word_counts.h"

namespace fastplm::text {

struct UnigramTrainerOptions {
  int64_t vocab_size;                        // of the pieces
  uint32_t max_piece_length;                 // in characters
  double shrinking_factor;                   // what part of the pieces stays, each round
  int64_t sub_iterations;                    // estimates between two rounds of dropping
  std::vector<char32_t> initial_alphabet;    // pieces in any case, as all characters of the words are
  std::vector<std::string> excluded;         // no pieces: other tokens are written so
};

class FASTPLM_EXPORT UnigramTrainer {
 public:
  UnigramTrainer(const WordCounts& words, const UnigramTrainerOptions& options);

  // One round; false: it was the last.
  bool step();

  int64_t size() const { return int64_t(pieces_.size()); }      // pieces that are left

  struct Scored {
    std::string piece;
    double score;   // its log probability
  };
  // The best first. At most vocab_size, unless there are more characters.
  std::vector<Scored> pieces() const;

 private:
  static constexpr int64_t kParts = 8;    // of the words, whose sums are added in order
  struct Piece {
    int32_t parent;          // the longest other piece it begins with; -1: it is one character
    uint32_t length;
    double probability;
    uint32_t place;          // in characters_
  };
  struct Way {               // to cut a string into pieces
    double score;
    uint32_t from;
    int32_t piece;
  };

  void keep(const std::vector<char>& alive);   // drops all other pieces
  void set_scores(const std::vector<double>& expected, bool sparse);
  std::vector<double> expected_counts() const;
  template <class Real>
  void add_expected(size_t word, std::vector<Real>& forward, std::vector<Real>& backward,
                    std::vector<double>& expected) const;
  std::vector<double> best_counts() const;     // of each piece on the best ways through the words
  // The best way through the `length` characters at `place`, by the pieces on it, without the piece `other`.
  double best_way(uint32_t place, uint32_t length, int32_t other, std::vector<Way>& ways) const;
  std::vector<double> losses() const;
  void drop(int64_t size);
  template <class Visit>
  void for_parts(Visit&& visit) const;         // visit(part, begin, end) of the words, by threads

  const Characters characters_;
  const int64_t vocab_size_;
  int64_t last_size_ = 0;                      // of pieces_: those that are excluded or unseen are apart
  const double shrinking_factor_;
  const int64_t sub_iterations_;
  std::vector<char32_t> unseen_;               // of the initial alphabet
  std::vector<std::string> excluded_;
  std::vector<size_t> part_begin_;             // of the words
  std::vector<Piece> pieces_;                  // shorter ones first
  std::vector<double> scores_;                 // log probabilities
  std::vector<int32_t> longest_at_;            // for every place, the longest piece there
};

}  // namespace fastplm::text
