#include "model/generate/requests.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/parallel.h"
#include "model/generate/scores.h"

namespace fastplm {

static int64_t whole_pages(int64_t tokens) { return (tokens + ops::kPageRows - 1) / ops::kPageRows * ops::kPageRows; }

static int64_t common(const Ids& a, const Ids& b) { return std::ranges::mismatch(a, b).in1 - a.begin(); }

RequestBatch::RequestBatch(const Model& model, const Limits& limits)
    : model_(model),
      limits_(limits),
      head_(logits_head(model)),
      vocab_(model.heads()[head_].width),
      cache_(model.new_cache()),
      kept_(*model.spec().decoder, Source::kSelf, model.dtype(), model.rounds_cache()) {
  if (model.spec().encoder) fail(ErrorKind::kUnsupported, "requests: this model has an encoder; expected a decoder");
  if (limits.requests < 1 || limits.tokens < ops::kPageRows || limits.chunk < 1) {
    fail(ErrorKind::kValue, "requests: limits of ", limits.requests, " requests, ", limits.tokens, " tokens and ",
         limits.chunk, " tokens a step; expected at least 1, ", ops::kPageRows, " and 1");
  }
}

uint64_t RequestBatch::submit(Request request) {
  const int64_t length = int64_t(request.prompt.size()), embedded = model_.spec().decoder->embed.vocab;
  const int64_t longest = model_.spec().decoder->max_length;
  if (length == 0) fail(ErrorKind::kValue, "request: an empty prompt; expected at least one token");
  for (int32_t id : request.prompt) {
    if (id < 0 || id >= embedded)
      fail(ErrorKind::kValue, "request: the prompt holds ", id, "; expected ids from 0 to ", embedded - 1);
  }
  if (request.max_new < 1) fail(ErrorKind::kValue, "request: ", request.max_new, " new tokens; expected at least 1");
  if (longest && length + request.max_new - 1 > longest) {
    fail(ErrorKind::kValue, "request: ", length, " tokens and ", request.max_new,
         " new ones; this model takes at most ", longest);
  }
  if (whole_pages(length + request.max_new) > limits_.tokens) {
    fail(ErrorKind::kValue, "request: ", length, " tokens and ", request.max_new, " new ones need ",
         whole_pages(length + request.max_new), " of the cache; max_tokens is ", limits_.tokens);
  }
  std::lock_guard lock(lock_);
  waiting_.emplace_back(++next_, std::move(request));
  return next_;
}

void RequestBatch::cancel(uint64_t request) {
  std::lock_guard lock(lock_);
  cancelled_.push_back(request);
}

RequestBatch::Usage RequestBatch::usage() const {
  std::lock_guard lock(lock_);
  Usage usage = shown_;
  usage.waiting = int64_t(waiting_.size());
  return usage;
}

void RequestBatch::show() {
  usage_.running = int64_t(running_.size());
  usage_.bytes = cache_.own.bytes() + kept_.bytes();
  std::lock_guard lock(lock_);
  shown_ = usage_;
}

void RequestBatch::forget() {
  {
    std::lock_guard lock(lock_);
    forgets_ = true;
  }
  std::unique_lock step(stepping_, std::try_to_lock);
  if (!step) return;
  forget_if_asked();
  show();
}

void RequestBatch::forget_if_asked() {
  {
    std::lock_guard lock(lock_);
    if (!std::exchange(forgets_, false)) return;
  }
  while (!remembered_.empty()) forget_oldest();
}

void RequestBatch::forget_oldest() {
  usage_.remembered -= remembered_.front().tokens;
  remembered_.pop_front();
  std::vector<int64_t> rest(remembered_.size());
  std::iota(rest.begin(), rest.end(), 1);
  kept_.reorder(rest);
}

void RequestBatch::drop_cancelled(std::vector<Progress>& made) {
  std::vector<uint64_t> cancelled;
  std::vector<Request> dropped;   // they end without the lock: a caller's function may wait for who waits for it
  {
    std::lock_guard lock(lock_);
    cancelled.swap(cancelled_);
    std::deque<std::pair<uint64_t, Request>> rest;
    for (auto& waiting : waiting_) {
      if (std::ranges::count(cancelled, waiting.first) == 0) {
        rest.push_back(std::move(waiting));
        continue;
      }
      made.push_back({.request = waiting.first, .tokens = {}, .finish = Finish::kCancelled});
      dropped.push_back(std::move(waiting.second));
    }
    waiting_.swap(rest);
  }
  std::vector<uint8_t> gone(running_.size());
  for (size_t i = 0; i < running_.size(); ++i) {
    gone[i] = std::ranges::count(cancelled, running_[i].id) > 0;
    if (gone[i]) made.push_back({.request = running_[i].id, .tokens = {}, .finish = Finish::kCancelled});
  }
  leave(gone);
}

// Rows that are gone make way; what they computed is remembered.
void RequestBatch::leave(const std::vector<uint8_t>& gone) {
  std::vector<int64_t> stay;
  std::vector<Running> running;
  for (size_t i = 0; i < running_.size(); ++i) {
    if (gone[i]) {
      usage_.reserved -= running_[i].reserved;
      if (limits_.share) remember(i);
    } else {
      stay.push_back(int64_t(i));
      running.push_back(std::move(running_[i]));
    }
  }
  if (stay.size() == running_.size()) {
    running_ = std::move(running);
    return;
  }
  cache_.own.reorder(stay);
  running_ = std::move(running);
}

void RequestBatch::remember(size_t row) {
  const int64_t length = cache_.own.length(int64_t(row));
  if (length == 0) return;
  Running& running = running_[row];
  running.ids.resize(size_t(length));
  kept_.resize(kept_.sequences() + 1);
  kept_.share(kept_.sequences() - 1, cache_.own, int64_t(row), length);
  remembered_.push_back({std::move(running.ids), whole_pages(length), running.rotation});
  usage_.remembered += remembered_.back().tokens;
}

// Requests that wait take the places there are, in order; what is remembered makes way for them.
void RequestBatch::admit() {
  while (int64_t(running_.size()) < limits_.requests) {
    Running fresh{};
    {
      std::lock_guard lock(lock_);
      if (waiting_.empty()) return;
      const Request& first = waiting_.front().second;
      fresh.reserved = whole_pages(int64_t(first.prompt.size()) + first.max_new);
      if (usage_.reserved + fresh.reserved > limits_.tokens) return;
      fresh.id = waiting_.front().first;
      fresh.request = std::move(waiting_.front().second);
      waiting_.pop_front();
    }
    fresh.ids = fresh.request.prompt;
    fresh.rotation = rotation_of(*model_.spec().decoder, int64_t(fresh.ids.size()));
    cache_.own.resize(int64_t(running_.size()) + 1);
    reuse(fresh);
    usage_.reserved += fresh.reserved;
    usage_.prompt_tokens += int64_t(fresh.ids.size());
    usage_.reused_tokens += fresh.reused;
    running_.push_back(std::move(fresh));
    while (!remembered_.empty() && usage_.reserved + usage_.remembered > limits_.tokens) forget_oldest();
  }
}

// Gives the new row the keys of the longest beginning that it has in common with another whose keys are rotated as its
// own would be. The last token of a prompt is always computed: its logits are wanted.
void RequestBatch::reuse(Running& fresh) {
  if (!limits_.share) return;
  const int64_t most = int64_t(fresh.ids.size()) - 1;
  const KeyStore* store = nullptr;
  int64_t row = 0;
  const auto look = [&](const KeyStore& keys, size_t r, const auto& of) {
    if (of.rotation != fresh.rotation) return;
    const int64_t length = std::min({common(of.ids, fresh.ids), keys.length(int64_t(r)), most});
    if (length <= fresh.reused) return;
    fresh.reused = length;
    store = &keys;
    row = int64_t(r);
  };
  for (size_t r = 0; r < running_.size(); ++r) look(cache_.own, r, running_[r]);
  for (size_t r = 0; r < remembered_.size(); ++r) look(kept_, r, remembered_[r]);
  if (store) cache_.own.share(int64_t(running_.size()), *store, row, fresh.reused);
}

// Runs the next take[i] tokens of each request; logits_ [running, vocab] are those behind the last of each.
void RequestBatch::forward(const std::vector<int64_t>& take) {
  std::vector<int32_t> ids, starts(1, 0);
  std::vector<int64_t> past, lengths;
  for (size_t i = 0; i < running_.size(); ++i) {
    past.push_back(cache_.own.length(int64_t(i)));
    lengths.push_back(running_[i].writes() ? 0 : int64_t(running_[i].ids.size()));   // as if it came in one pass
    const auto begin = running_[i].ids.begin() + past[i];
    ids.insert(ids.end(), begin, begin + take[i]);
    starts.push_back(int32_t(ids.size()));
  }
  try {
    for (size_t i = 0; i < running_.size(); ++i) {
      std::vector<int32_t> columns(static_cast<size_t>(take[i]));
      std::iota(columns.begin(), columns.end(), int32_t(past[i]));
      cache_.own.extend(int64_t(i), columns);
    }
    const int64_t rows = int64_t(running_.size()), tokens = int64_t(ids.size());
    logits_.resize(size_t(rows * vocab_));
    const Batch batch{.cu_seqlens = {starts.data(), DType::kI32, Device::kCpu, {rows + 1}},
                      .ids = {ids.data(), DType::kI32, Device::kCpu, {tokens}},
                      .embeds = {},
                      .segment_ids = {},
                      .position_ids = {},
                      .index = {},
                      .mask = {},
                      .gather = {}};
    Outputs out{.last_rows = true};
    out.heads.resize(model_.heads().size());
    out.heads[head_] = {logits_.data(), DType::kF32, Device::kCpu, {rows, vocab_}};
    model_.decode(batch,
                  {.cache = &cache_, .states = {}, .starts = {}, .columns = {}, .past = past, .lengths = lengths}, out);
  } catch (...) {
    for (size_t i = 0; i < past.size(); ++i) cache_.own.crop(int64_t(i), past[i]);
    throw;
  }
}

Progress RequestBatch::choose(Running& running, std::span<float> scores) const {
  const Request& request = running.request;
  Progress made{.request = running.id, .tokens = {}};
  try {
    const Row row{.ids = running.ids, .prompt = int64_t(request.prompt.size()), .shown = 0, .source = request.prompt};
    for (const Processor& p : request.processors) {
      if (const Call* call = std::get_if<Call>(&p))
        request.process(call->index, running.ids, scores);
      else if (const Mask* mask = std::get_if<Mask>(&p))
        keep_marked(request.mask(mask->index, running.ids), scores);
      else
        apply(p, row, scores);
    }
    const int64_t step = int64_t(running.ids.size() - request.prompt.size());
    const int32_t token = request.sample ? sample(scores, request.random, step) : best(scores);
    running.ids.push_back(token);
    made.tokens.push_back(token);
    if (std::ranges::count(request.eos, token) || (request.stop_strings && request.stop_strings->end(running.ids)))
      made.finish = Finish::kStop;
    else if (step + 1 >= request.max_new)
      made.finish = Finish::kLength;
  } catch (...) {
    made.finish = Finish::kFailed;
    made.error = std::current_exception();
  }
  return made;
}

std::vector<Progress> RequestBatch::step() {
  std::lock_guard one(stepping_);
  std::vector<Progress> made = run();
  forget_if_asked();
  show();
  return made;
}

std::vector<Progress> RequestBatch::run() {
  std::vector<Progress> made;
  drop_cancelled(made);
  admit();
  if (running_.empty()) return made;

  std::vector<int64_t> take;
  int64_t room = limits_.chunk;
  for (size_t i = 0; i < running_.size(); ++i) {
    const int64_t left = int64_t(running_[i].ids.size()) - cache_.own.length(int64_t(i));
    take.push_back(running_[i].writes() ? left : std::min(left, room));
    if (!running_[i].writes()) room -= take.back();
  }
  std::vector<uint8_t> gone(running_.size());
  try {
    forward(take);
  } catch (...) {
    for (const Running& running : running_) {
      made.push_back({running.id, {}, Finish::kFailed, std::current_exception(), running.reused});
    }
    std::ranges::fill(gone, uint8_t(1));
    leave(gone);
    return made;
  }
  ++usage_.steps;

  // The caller's own functions are called by this thread.
  std::vector<std::optional<Progress>> chosen(running_.size());
  const auto choose_row = [&](size_t i) {
    chosen[i] = choose(running_[i], {logits_.data() + i * size_t(vocab_), size_t(vocab_)});
  };
  std::vector<size_t> own, others;
  for (size_t i = 0; i < running_.size(); ++i) {
    if (cache_.own.length(int64_t(i)) < int64_t(running_[i].ids.size())) continue;   // its prompt goes on
    (running_[i].request.process ? others : own).push_back(i);
  }
  parallel_for(int64_t(own.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) choose_row(own[size_t(i)]);
  });
  for (size_t i : others) choose_row(i);
  for (size_t i = 0; i < running_.size(); ++i) {
    if (!chosen[i]) continue;
    chosen[i]->reused = running_[i].reused;
    usage_.new_tokens += int64_t(chosen[i]->tokens.size());
    gone[i] = chosen[i]->finish != Finish::kGoesOn;
    made.push_back(std::move(*chosen[i]));
  }
  leave(gone);
  return made;
}

}  // namespace fastplm
