#include "model/generate/drafts.h"

#include <algorithm>

#include "model/generate/next_token.h"
#include "model/generate/scores.h"

namespace fastplm {
namespace {

// What followed the last tokens where they stood before, the latest place first.
class Lookup : public Drafter {
 public:
  Lookup(int64_t ngram, std::span<const int32_t> source) : ngram_(size_t(ngram)), source_(source) {}

  Ids propose(std::span<const int32_t> ids, int64_t count) override {
    for (size_t n = std::min(ngram_, ids.size()); n > 0; --n) {
      const auto last = ids.last(n);
      for (const std::span<const int32_t> where : {ids, source_}) {
        for (size_t end = where.size(); end-- > n;) {   // what follows begins at `end`
          if (!std::ranges::equal(where.subspan(end - n, n), last)) continue;
          const auto found = where.subspan(end, std::min(size_t(count), where.size() - end));
          Ids made(found.begin(), found.end());
          // What runs up to the end of ids repeats itself: it goes on as it began.
          while (where.data() == ids.data() && made.size() < size_t(count)) {
            made.push_back(made[made.size() - found.size()]);
          }
          return made;
        }
      }
    }
    return {};
  }

 private:
  size_t ngram_;
  std::span<const int32_t> source_;
};

// What another model would write.
class OtherModel : public Drafter {
 public:
  explicit OtherModel(const Model& model)
      : cache_(model.new_cache()), next_(model, cache_, {}), logits_(size_t(next_.vocab())) {}

  Ids propose(std::span<const int32_t> ids, int64_t count) override {
    count = std::min(count, next_.room() + int64_t(seen_.size()) - int64_t(ids.size()) + 1);
    if (count <= 0) return {};
    const auto most = std::min(seen_.size(), ids.size() - 1);
    const auto same = std::ranges::mismatch(std::span(seen_).first(most), ids.first(most)).in2 - ids.begin();
    next_.forget(int64_t(seen_.size()) - same);
    next_.feed(ids.subspan(size_t(same)), logits_.data());
    seen_.assign(ids.begin(), ids.end());
    Ids made;
    while (true) {
      made.push_back(best(logits_));
      if (int64_t(made.size()) == count) return made;
      next_.feed(std::span(made).last(1), logits_.data());
      seen_.push_back(made.back());
    }
  }

 private:
  Cache cache_;
  EngineNextToken next_;
  std::vector<float> logits_;
  Ids seen_;   // whose keys are in the cache
};

// Their logits are held at once: 128 MB for a vocabulary of 256k.
constexpr int64_t kMaxDraft = 128;
// A pass over two rows can cost half as much again as one over one: where no guess is right, one in nine has any.
constexpr int64_t kFirst = 4, kLongestRest = 8;

}  // namespace

DraftLength::DraftLength(const Drafts& drafts)
    : adapts_(drafts.adapts),
      limit_(std::min(drafts.tokens, kMaxDraft)),
      count_(adapts_ ? std::min(limit_, kFirst) : limit_) {}

void DraftLength::learn(int64_t drafted, int64_t right) {
  if (!adapts_ || drafted == 0) return;
  count_ = right == drafted ? std::min(limit_, 2 * count_) : std::max<int64_t>(1, right);
  rest_ = right > 0 ? 0 : std::clamp<int64_t>(2 * rest_, 1, kLongestRest);
  passes_ = rest_;
}

int64_t DraftLength::next() { return passes_-- > 0 ? 0 : count_; }

std::unique_ptr<Drafter> drafter_of(const Drafts& drafts, std::span<const int32_t> source) {
  if (drafts.model) return std::make_unique<OtherModel>(*drafts.model);
  return std::make_unique<Lookup>(drafts.ngram, source);
}

}  // namespace fastplm
