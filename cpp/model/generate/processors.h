// What changes the scores of the next token before one is chosen: one struct for each logits processor of
// transformers (generation/logits_process.py, whose results these match), applied to a row in place.
#pragma once
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/export.h"
#include "core/value.h"

namespace fastplm {

using Ids = std::vector<int32_t>;

struct Row {                          // of scores, and what came before it
  std::span<const int32_t> ids;       // the prompt as it was given, and the tokens behind it
  int64_t prompt = 0;                 // how many of them are the prompt
  int64_t shown = 0;                  // the first that attention_mask shows
  std::span<const int32_t> source;    // what the encoder reads, or the prompt
};

// In the order in which transformers applies them.
struct SequenceBias {
  struct Biased {
    Ids ids;
    float bias;
  };
  std::vector<Biased> sequences;      // the bias of a sequence's last token behind the others
};
struct SourcePenalty {
  float penalty;
};        // of tokens in the source; below 1: hold to them
struct RepetitionPenalty {
  float penalty;
};
struct CountPenalty {
  float presence, frequency;
};   // subtracted for new tokens: once, and each time (OpenAI's)
struct NoRepeat {
  int64_t size;
};              // of n-grams
struct NoRepeatOfSource {
  int64_t size;
};
struct MinLength {
  int64_t length;
  Ids eos;
};
struct Force {
  int64_t length;
  Ids ids;
};      // nothing else follows so many tokens
struct RemoveInvalid {};
struct DecayLength {
  int64_t length;
  double factor;
  Ids eos;
};
struct Suppress {
  int64_t length;
  Ids ids;
};   // behind so many tokens; -1: always
struct Call {
  int64_t index;
};                 // of the caller's own
struct Mask {
  int64_t index;
};                 // the same: one that only says which tokens may follow
// Only where tokens are sampled. keep: so many stay whatever they score.
struct Temperature {
  float value;
};
struct TopH {
  double value;
};
struct TopK {
  int64_t count;
};
struct TopP {
  double mass;
  int64_t keep;
};
struct MinP {
  double share;
  int64_t keep;
};
struct Typical {
  double mass;
  int64_t keep;
};
struct Epsilon {
  double cutoff;
  int64_t keep;
};
struct Eta {
  double cutoff;
  int64_t keep;
};
struct Normalize {};

using Processor = std::variant<SequenceBias, SourcePenalty, RepetitionPenalty, CountPenalty, NoRepeat, NoRepeatOfSource,
                               MinLength, Force, RemoveInvalid, DecayLength, Suppress, Call, Mask, Temperature, TopH,
                               TopK, TopP, MinP, Typical, Epsilon, Eta, Normalize>;

// settings: a list of {"kind": the struct's name in lower case, and its members}. vocab: ids lie below it. Throws
// kValue, kFile.
FASTPLM_EXPORT std::vector<Processor> processors_from(const Value& settings, int64_t vocab);

// Changes scores [vocab]. Throws kValue for NaN where scores are compared. Does nothing for Call and Mask.
FASTPLM_EXPORT void apply(const Processor& processor, const Row& row, std::span<float> scores);

// Leaves the tokens whose bits are set: 32 in each word, the lowest first. Throws kValue for another number of words.
FASTPLM_EXPORT void keep_marked(std::span<const uint32_t> words, std::span<float> scores);

// Those that leave out tokens by their probability (filters.cpp).
void apply(const TopH& filter, std::span<float> scores);
void apply(const TopK& filter, std::span<float> scores);
void apply(const TopP& filter, std::span<float> scores);
void apply(const MinP& filter, std::span<float> scores);
void apply(const Typical& filter, std::span<float> scores);
void apply(const Epsilon& filter, std::span<float> scores);
void apply(const Eta& filter, std::span<float> scores);

}  // namespace fastplm
