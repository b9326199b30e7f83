// Many requests at once (continuous batching): they join and leave between steps, and a step reads the weights once
// for all of them. What a request is given does not depend on the others.
#pragma once
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "model/generate/next_token.h"
#include "model/generate/processors.h"
#include "model/generate/random.h"
#include "model/generate/stop_strings.h"

namespace fastplm {

struct Request {
  Ids prompt;
  int64_t max_new = 1;                // tokens that may follow; at least 1
  std::vector<Processor> processors;
  bool sample = false;
  Random random;
  Ids eos;                            // ends it
  std::optional<StopStrings> stop_strings;
  // The caller's own, called by whoever calls step(): a Call changes scores [vocab], a Mask gives the words of
  // keep_marked.
  std::function<void(int64_t call, std::span<const int32_t> ids, std::span<float> scores)> process;
  std::function<std::vector<uint32_t>(int64_t mask, std::span<const int32_t> ids)> mask;
};

enum class Finish : uint8_t { kGoesOn, kStop, kLength, kCancelled, kFailed };

struct Progress {          // of one request in one step
  uint64_t request;
  Ids tokens;              // the new ones
  Finish finish = Finish::kGoesOn;
  std::exception_ptr error;   // of kFailed
  int64_t reused = 0;      // tokens of the prompt whose keys were there
};

class FASTPLM_EXPORT RequestBatch {
 public:
  struct Limits {
    int64_t requests;      // that run at once
    int64_t tokens;        // in the cache, those remembered included; whole pages are counted
    int64_t chunk;         // tokens of prompts in one step, so that those who write do not wait long
    bool share;            // the keys of prompts that begin like earlier ones are taken from those
  };
  struct Usage {
    int64_t running = 0, waiting = 0;
    int64_t reserved = 0, remembered = 0;   // tokens of the limit
    int64_t bytes = 0;                      // of all pages of keys and values
    int64_t steps = 0, prompt_tokens = 0, reused_tokens = 0, new_tokens = 0;   // since the beginning
  };

  // The model must stay. Throws kValue for a model without logits of a next token, or with an encoder.
  RequestBatch(const Model& model, const Limits& limits);

  // Takes a request, which waits for its place; in order. Any thread. Throws kValue for one that never fits: an empty
  // prompt, ids out of range, more tokens than the model or the limit takes.
  uint64_t submit(Request request);
  void cancel(uint64_t request);   // any thread; those that are not there any more are left alone
  // One forward pass and the tokens chosen from it; nothing to do: returns at once. A request that fails ends alone;
  // where the forward pass itself fails, all that run do.
  std::vector<Progress> step();
  // Drops all that is remembered of requests that have ended: at once, or with the step that is being made.
  void forget();
  Usage usage() const;             // after the last step

 private:
  struct Running {
    uint64_t id;
    Request request;
    Ids ids;                       // the prompt and what follows
    int64_t reserved, reused;
    int64_t rotation;              // of the prompt's length

    bool writes() const { return ids.size() > request.prompt.size(); }
  };
  struct Remembered {
    Ids ids;
    int64_t tokens;                // of whole pages
    int64_t rotation;
  };

  void admit();
  void drop_cancelled(std::vector<Progress>& made);
  void reuse(Running& fresh);
  void leave(const std::vector<uint8_t>& gone);
  void remember(size_t row);
  void forget_oldest();
  void forget_if_asked();
  std::vector<Progress> run();
  void show();
  void forward(const std::vector<int64_t>& take);
  Progress choose(Running& running, std::span<float> scores) const;

  const Model& model_;
  const Limits limits_;
  size_t head_ = 0;
  int64_t vocab_ = 0;

  mutable std::mutex lock_;        // of what follows, for a moment
  uint64_t next_ = 0;
  std::deque<std::pair<uint64_t, Request>> waiting_;
  std::vector<uint64_t> cancelled_;
  bool forgets_ = false;
  Usage shown_;

  std::mutex stepping_;    // of what follows, for a step
  Cache cache_;                    // row i is of running_[i]
  std::vector<Running> running_;
  KeyStore kept_;                  // row i is of remembered_[i], the oldest first
  std::deque<Remembered> remembered_;
  Usage usage_;
  std::vector<float> logits_;
};

}  // namespace fastplm
