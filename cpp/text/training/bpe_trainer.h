// Learns byte-pair merges (arXiv:1508.07909) from the words of a corpus: the pair of neighbouring tokens that occurs
// most often becomes a token, again and again.
//
// The reference is BpeTrainer of `tokenizers`, whose every result on the same words this gives, with these rules. Of
// pairs that occur equally often the one with the smaller left id, then the smaller right id, comes first. A pair waits
// in the queue with the words it was seen in when it was put there; when its turn comes it is merged in those words
// only, and may wait there a second time with other words, where two ways of merging make the same token; the older one
// then comes first (there: as the heap happens to lie). Counts are not taken back for a pair that was merged.
// Where the reference follows the order of its hash map, this takes words in the order of their bytes and, of
// characters that occur equally often, keeps the smaller.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include "text/base/maps.h"
#include "text/training/pair_table.h"
#include "text/training/word_counts.h"

namespace fastplm::text {

struct BpeTrainerOptions {
  int64_t vocab_size = 30000;
  int64_t min_frequency = 0;  // a pair that occurs less often is not merged
  std::vector<std::string> special_tokens = {};  // the first ids
  std::optional<int64_t> limit_alphabet = {};  // how many characters are kept, the most frequent ones
  std::vector<char32_t> initial_alphabet = {};  // kept before all others
  std::string continuing_subword_prefix = {};  // of every token but a word's first
  std::string end_of_word_suffix = {};  // of a word's last token
  std::optional<int64_t> max_token_length = {};  // in characters; no longer pair is counted
};

class FASTPLM_EXPORT BpeTrainer {
 public:
  // The alphabet has its ids now, and every pair is counted. Throws Error(kValue) for more than 2^32 characters in all
  // distinct words.
  BpeTrainer(const WordCounts& words, const BpeTrainerOptions& options);

  // Merges at most `merges` more pairs; false: there is nothing more to merge.
  bool run(int64_t merges);

  const std::vector<std::string>& tokens() const { return tokens_; }  // by id
  // In order; a pair may be there twice, and the later one counts.
  const std::vector<TokenPair>& merges() const { return merges_; }

 private:
  // A place where a pair begins, and the word it is in.
  struct Occurrence {
    uint32_t place, word;
  };
  // What waits to be merged: a pair with its count and its occurrences as they were when it was put here.
  struct Candidate {
    uint64_t count;
    TokenPair pair;
    uint32_t begin, size;  // in occurrences_
    bool operator<(const Candidate& other) const {  // its turn comes later
      if (count != other.count) return count < other.count;
      return pair != other.pair ? pair > other.pair : begin > other.begin;
    }
  };
  class Queue {
   public:
    void push(const Candidate& candidate);
    bool pop(Candidate* next);  // the one whose turn it is; false: none is left

   private:
    uint64_t low_ = 0;  // the smallest count in heap_
    std::vector<Candidate> heap_;
    std::vector<Candidate> rest_;  // with smaller counts, in no order: most are never asked for
  };
  // What one merge changes beside a token that stands on one side of the merged pair.
  struct Beside {
    int64_t lost = 0, gained = 0;  // of the old pair and of the new one
    uint32_t seen = 0;  // occurrences of the new one,
    uint32_t end = 0;  // behind the last of them in occurrences_
  };
  struct Found {
    int32_t neighbour;
    bool left;
    Occurrence at;
  };

  int32_t id_of(std::string token);  // a new one if there is none
  void choose_alphabet(const WordCounts& words, const BpeTrainerOptions& options);
  void spell(const WordCounts& words, const BpeTrainerOptions& options);
  void count_pairs();
  void push(TokenPair pair, uint32_t begin, uint32_t size);

  uint32_t next(uint32_t place) const;
  uint32_t previous(uint32_t place) const;  // `place` itself: it is the first of its word
  void merge(const Candidate& top, int32_t token);
  void merge_at(Occurrence at, TokenPair pair, int32_t token);
  Beside& beside(std::vector<Beside>& side, std::vector<int32_t>& touched, int32_t neighbour);
  void note_changes(TokenPair pair, int32_t token);

  const uint64_t vocab_size_, min_frequency_;
  const uint32_t max_length_;
  const std::string prefix_;

  std::vector<std::string> tokens_;
  ByToken<int32_t> ids_;
  std::vector<TokenPair> merges_;

  // Every word's tokens, words apart. A token stands where its first character stood; if it has n > 1 characters, the
  // second of its places and the last hold -n, and those between hold any negative number.
  std::vector<int32_t> places_;
  std::vector<uint32_t> word_begin_;
  std::vector<int64_t> word_count_;
  PairTable pairs_;
  std::vector<Occurrence> occurrences_;  // of the candidates, one after the other
  Queue queue_;

  // Of the merge at work; kept for their memory.
  std::vector<Beside> left_, right_;  // by id
  std::vector<int32_t> left_touched_, right_touched_;
  std::vector<Found> found_;
};

}  // namespace fastplm::text
