// Tokens that are guessed before the model runs, so that one pass checks several (speculative decoding). The result is
// that of the model alone: a guess counts where the model chooses it too. Sources: arXiv:2211.17192; the lookup in the
// prompt, as in transformers' PromptLookupCandidateGenerator.
#pragma once
#include <memory>
#include <span>

#include "model/generate/processors.h"
#include "model/model.h"

namespace fastplm {

struct Drafts {
  int64_t tokens = 0;             // the most that are guessed at once; 0: none
  bool adapts = true;             // fewer after wrong guesses
  int64_t ngram = 2;              // without a model: the most tokens that an earlier place must have in common
  const Model* model = nullptr;   // that guesses; of the same vocabulary
};

class Drafter {
 public:
  virtual ~Drafter() = default;
  // Up to `count` tokens behind ids.
  virtual Ids propose(std::span<const int32_t> ids, int64_t count) = 0;
};

// How many tokens are worth guessing: a pass over many costs more than one over few, which wrong guesses must not lose.
class DraftLength {
 public:
  explicit DraftLength(const Drafts& drafts);
  void learn(int64_t drafted, int64_t right);   // of a pass
  int64_t next();                               // 0: the next pass has no draft

 private:
  bool adapts_;
  int64_t limit_, count_;
  int64_t rest_ = 0, passes_ = 0;   // how many passes go without after the next wrong draft, and how many still do
};

// source: what an encoder reads; guesses are looked up there too.
FASTPLM_EXPORT std::unique_ptr<Drafter> drafter_of(const Drafts& drafts, std::span<const int32_t> source);

}  // namespace fastplm
