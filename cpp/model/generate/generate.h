// Generation: token after token from a model's logits, until criteria say stop. The meanings of settings, and the order
// in which things happen, are those of transformers (generation/utils.py: _sample, _beam_search).
#pragma once
#include <functional>
#include <optional>
#include <vector>

#include "model/generate/drafts.h"
#include "model/generate/next_token.h"
#include "model/generate/processors.h"
#include "model/generate/random.h"
#include "model/generate/stop_strings.h"

namespace fastplm {

enum class EarlyStop : uint8_t { kHeuristic, kFull, kNever };  // early_stopping: false, true, "never"

struct Generation {
  std::vector<Ids> prompts;  // of equal length, padding included
  std::vector<int64_t> shown;  // of each prompt, the first column that its mask shows
  std::vector<Ids> sources;  // Row::source of each prompt
  std::vector<Random> random;  // of each prompt
  std::vector<Processor> processors;

  bool sample = false;
  int64_t beams = 1, results = 1;  // results: of each prompt
  double length_penalty = 1;
  EarlyStop early_stop = EarlyStop::kHeuristic;

  std::optional<int64_t> max_length;  // prompt included
  int64_t beam_length = 0;  // the length that EarlyStop::kNever hopes for
  std::optional<double> max_seconds;
  Ids eos;  // ends a row
  bool stops_at_eos = true;  // false: eos only counts candidates of beams
  std::optional<int32_t> pad;  // follows in rows that have ended while others go on; none: they go on too
  int32_t fill = -1;  // behind beams that are shorter than others
  std::optional<StopStrings> stop_strings;

  Drafts drafts;  // of one prompt without sampling

  bool keep_scores = false, keep_logits = false;
  bool keep_rows = false;  // rows that have ended stay in the batch, so that every step has results of all
};

// The caller's own functions. ids: of all rows, which have the same length.
struct Hooks {
  using Rows = std::vector<std::span<const int32_t>>;
  std::function<void(int64_t call, const Rows& ids, std::span<float> scores)> process;  // scores [rows, vocab]
  // Of a Mask: which tokens may follow, [rows, words] as keep_marked takes them.
  std::function<std::vector<uint32_t>(int64_t mask, const Rows& ids)> mask;
  std::function<std::vector<uint8_t>(const Rows& ids)> stop;  // which rows end
  std::function<void(std::span<const int32_t> tokens)> put;  // of all rows
};

struct Generated {
  std::vector<Ids> sequences;  // [prompts * results]: prompts and what follows, of equal length
  std::vector<std::vector<float>> scores, logits;  // of each step, [prompts * (beams or results), vocab]
  std::vector<float> sequence_scores;  // of beams
  int64_t drafted = 0, accepted = 0;  // tokens that were guessed, and those among them that were right
  std::vector<Ids> beam_indices;  // of beams: whose score each token has; -1 behind the end
};

// Throws what processors and the hooks throw, and kInterrupted.
FASTPLM_EXPORT Generated generate(const Generation& settings, const Hooks& hooks, NextToken& model, int64_t vocab);

}  // namespace fastplm
