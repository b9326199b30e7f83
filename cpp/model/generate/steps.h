// What sampling and beam search share: processing of scores and the criteria that end a row.
#pragma once
#include <chrono>

#include "model/generate/generate.h"

namespace fastplm {

class Steps {
 public:
  Steps(const Generation& settings, const Hooks& hooks, int64_t vocab)
      : settings_(settings), hooks_(hooks), vocab_(vocab) {}

  // Applies all processors to scores [rows, vocab]. ids: of each row. prompt_of: which prompt each row has.
  void process(const Hooks::Rows& ids, const std::vector<int64_t>& prompt_of, std::span<float> scores) const;
  // Which rows end with their last token.
  std::vector<uint8_t> ended(const Hooks::Rows& ids) const;

 private:
  using Clock = std::chrono::steady_clock;

  const Generation& settings_;
  const Hooks& hooks_;
  int64_t vocab_;
  Clock::time_point begin_ = Clock::now();
};

// The logits behind each prompt, `copies` times, beside each other.
std::vector<float> prefill(const Generation& settings, NextToken& model, int64_t copies, int64_t vocab);

Generated search_beams(const Generation& settings, const Hooks& hooks, NextToken& model, int64_t vocab);

}  // namespace fastplm
