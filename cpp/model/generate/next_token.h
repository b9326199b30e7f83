// The logits of the next token of each row: where generation meets the model.
#pragma once
#include <span>
#include <vector>

#include "model/model.h"
#include "model/padded.h"

namespace fastplm {

class FASTPLM_EXPORT NextToken {
 public:
  virtual ~NextToken() = default;
  // logits [rows, vocab] f32 are written.
  virtual void prefill(float* logits) = 0;                                     // behind each prompt
  virtual void step(std::span<const int32_t> tokens, float* logits) = 0;       // behind one more token of each row
  virtual void select(const std::vector<int64_t>& rows) = 0;                   // row i becomes what row rows[i] was
  // Of one row: behind each of its next tokens, logits [tokens, vocab]; and as if the last `count` had not been.
  virtual void extend(std::span<const int32_t> tokens, float* logits) = 0;
  virtual void forget(int64_t count) = 0;
  virtual int64_t room() const = 0;   // how many more tokens each row takes at least
  // How many of the next `count` tokens of one row extend() may take at once, without a change to any's logits.
  virtual int64_t at_once(int64_t count) const = 0;
};

// Which of the model's heads gives the logits of a next token. Throws kValue for a model without.
FASTPLM_EXPORT size_t logits_head(const Model& model);

struct Prompt {
  PaddedInput input;              // the columns that the cache does not have
  // [batch, all columns]: which ones later tokens see; null: those that are cached
  const uint8_t* later_mask = nullptr;
  std::optional<PaddedInput> encoder;   // its states as embeds, and which are hidden
};

// By the engine's own forward pass, with a cache.
class FASTPLM_EXPORT EngineNextToken : public NextToken {
 public:
  // prompt: its arrays must stay. Throws kValue for a model without logits of a next token.
  EngineNextToken(const Model& model, Cache& cache, const Prompt& prompt);

  void prefill(float* logits) override;
  void step(std::span<const int32_t> tokens, float* logits) override;
  void select(const std::vector<int64_t>& rows) override;
  void extend(std::span<const int32_t> tokens, float* logits) override;
  void forget(int64_t count) override;
  int64_t room() const override;
  int64_t at_once(int64_t count) const override;
  void feed(std::span<const int32_t> tokens, float* logits);  // as extend, with logits [vocab] behind the last alone
  int64_t vocab() const { return model_.heads()[head_].width; }

 private:
  void run(const PaddedInput& input, float* logits, bool last_rows);
  void grow(std::span<const int32_t> tokens, int64_t rows, float* logits, bool last_rows);

  const Model& model_;
  Cache& cache_;
  Prompt prompt_;
  std::optional<Packing> encoder_;
  size_t head_;  // of the model's, which gives the logits
  std::vector<int32_t> positions_;  // of the rows' next tokens; empty: as the Spec counts
  std::vector<std::vector<uint8_t>> masks_;  // of the rows, over all columns; empty: all are seen
};

}  // namespace fastplm
