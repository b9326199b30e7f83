#include "model/generate/generate.h"

#include <algorithm>
#include <numeric>

#include "core/parallel.h"
#include "model/generate/scores.h"
#include "model/generate/steps.h"

namespace fastplm {

void Steps::process(const Hooks::Rows& ids, const std::vector<int64_t>& prompt_of, std::span<float> scores) const {
  const auto& all = settings_.processors;
  const auto calls = [](const Processor& p) {
    return std::holds_alternative<Call>(p) || std::holds_alternative<Mask>(p);
  };
  for (auto from = all.begin(); from != all.end();) {
    if (const Call* call = std::get_if<Call>(&*from)) {
      hooks_.process(call->index, ids, scores);
      ++from;
      continue;
    }
    if (const Mask* mask = std::get_if<Mask>(&*from)) {
      const std::vector<uint32_t> words = hooks_.mask(mask->index, ids);
      const size_t own = words.size() / std::max<size_t>(1, ids.size());
      for (size_t r = 0; r < ids.size(); ++r) {
        keep_marked(std::span(words).subspan(r * own, own), scores.subspan(r * size_t(vocab_), size_t(vocab_)));
      }
      ++from;
      continue;
    }
    const auto to = std::find_if(from, all.end(), calls);
    parallel_for(int64_t(ids.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const size_t prompt = size_t(prompt_of[size_t(r)]);
        const Row row{.ids = ids[size_t(r)],
                      .prompt = int64_t(settings_.prompts[prompt].size()),
                      .shown = settings_.shown[prompt],
                      .source = settings_.sources[prompt]};
        const auto own = scores.subspan(size_t(r * vocab_), size_t(vocab_));
        for (auto p = from; p != to; ++p) apply(*p, row, own);
      }
    });
    from = to;
  }
}

std::vector<uint8_t> Steps::ended(const Hooks::Rows& ids) const {
  std::vector<uint8_t> ended(ids.size());
  const std::chrono::duration<double> passed = Clock::now() - begin_;
  const bool late = settings_.max_seconds && passed.count() > *settings_.max_seconds;
  for (size_t r = 0; r < ids.size(); ++r) {
    const bool full = settings_.max_length && int64_t(ids[r].size()) >= *settings_.max_length;
    const bool eos = settings_.stops_at_eos && std::ranges::find(settings_.eos, ids[r].back()) != settings_.eos.end();
    ended[r] = late || full || eos || (settings_.stop_strings && settings_.stop_strings->end(ids[r]));
  }
  if (!hooks_.stop) return ended;
  const std::vector<uint8_t> more = hooks_.stop(ids);
  for (size_t r = 0; r < ended.size(); ++r) ended[r] |= more[r];
  return ended;
}

std::vector<float> prefill(const Generation& settings, NextToken& model, int64_t copies, int64_t vocab) {
  const size_t prompts = settings.prompts.size(), width = size_t(vocab);
  std::vector<float> logits(prompts * width);
  model.prefill(logits.data());
  if (copies == 1) return logits;
  std::vector<int64_t> rows;
  std::vector<float> repeated(size_t(copies) * logits.size());
  for (size_t b = 0; b < prompts; ++b) {
    for (int64_t c = 0; c < copies; ++c) {
      std::copy_n(logits.begin() + int64_t(b * width), width, repeated.begin() + int64_t(rows.size() * width));
      rows.push_back(int64_t(b));
    }
  }
  model.select(rows);
  return repeated;
}

// One sequence for each row.
static Generated follow_rows(const Generation& settings, const Hooks& hooks, NextToken& model, int64_t vocab) {
  const Steps steps(settings, hooks, vocab);
  Generated made;
  std::vector<int64_t> live, prompt_of;   // the rows that the model still runs, and the prompt of each
  for (size_t b = 0; b < settings.prompts.size(); ++b) {
    for (int64_t copy = 0; copy < settings.results; ++copy) {
      live.push_back(int64_t(made.sequences.size()));
      prompt_of.push_back(int64_t(b));
      made.sequences.push_back(settings.prompts[b]);
    }
  }
  std::vector<uint8_t> finished(live.size());
  std::vector<float> logits = prefill(settings, model, settings.results, vocab);
  for (int64_t step = 0;; ++step) {
    Hooks::Rows ids;
    std::vector<int64_t> own_prompt;
    for (int64_t row : live) {
      ids.push_back(made.sequences[size_t(row)]);
      own_prompt.push_back(prompt_of[size_t(row)]);
    }
    if (settings.keep_logits) made.logits.push_back(logits);
    steps.process(ids, own_prompt, logits);
    if (settings.keep_scores) made.scores.push_back(logits);

    std::vector<int32_t> tokens(made.sequences.size(), settings.pad.value_or(0));
    parallel_for(int64_t(live.size()), 1, [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const size_t row = size_t(live[size_t(r)]);
        if (finished[row] && settings.pad) continue;
        const std::span<const float> scores(logits.data() + r * vocab, size_t(vocab));
        Random random = settings.random[size_t(prompt_of[row])];
        random.copy = uint32_t(int64_t(row) % settings.results);
        tokens[row] = settings.sample ? sample(scores, random, step) : best(scores);
      }
    });
    ids.clear();
    for (size_t row = 0; row < tokens.size(); ++row) made.sequences[row].push_back(tokens[row]);
    for (int64_t row : live) ids.push_back(made.sequences[size_t(row)]);
    const std::vector<uint8_t> ended = steps.ended(ids);
    for (size_t r = 0; r < live.size(); ++r) finished[size_t(live[r])] |= ended[r];
    if (hooks.put) hooks.put(tokens);
    if (std::ranges::all_of(finished, [](uint8_t f) { return f; })) return made;

    std::vector<int64_t> kept, places;
    std::vector<int32_t> next;
    for (size_t r = 0; r < live.size(); ++r) {
      if (finished[size_t(live[r])] && settings.pad && !settings.keep_rows) continue;
      kept.push_back(live[r]);
      places.push_back(int64_t(r));
      next.push_back(tokens[size_t(live[r])]);
    }
    if (kept.size() < live.size()) model.select(places);
    live = std::move(kept);
    logits.resize(live.size() * size_t(vocab));
    model.step(next, logits.data());
  }
}

// One sequence, of whose next tokens a drafter guesses some: a pass of the model checks them all.
static Generated follow_drafts(const Generation& settings, const Hooks& hooks, NextToken& model, int64_t vocab) {
  const Steps steps(settings, hooks, vocab);
  const std::unique_ptr<Drafter> drafter = drafter_of(settings.drafts, settings.sources[0]);
  Generated made;
  made.sequences = {settings.prompts[0]};
  Ids& ids = made.sequences[0];
  Ids draft;
  DraftLength length(settings.drafts);
  std::vector<float> logits = prefill(settings, model, 1, vocab);
  while (true) {
    size_t right = 0;
    for (size_t row = 0;; ++row) {   // behind ids, whose last tokens are those of the draft that were right
      const std::span<float> scores(logits.data() + row * size_t(vocab), size_t(vocab));
      if (settings.keep_logits) made.logits.emplace_back(scores.begin(), scores.end());
      steps.process({ids}, {0}, scores);
      if (settings.keep_scores) made.scores.emplace_back(scores.begin(), scores.end());
      const int32_t token = best(scores);
      ids.push_back(token);
      if (hooks.put) hooks.put(std::span(ids).last(1));
      const bool known = row < draft.size() && token == draft[row];
      right += known;
      made.accepted += known;
      if (steps.ended({ids})[0]) {   // the cache then has all but the last token, as without drafts
        if (draft.size() > row) model.forget(int64_t(draft.size() - row));
        return made;
      }
      if (!known) break;
    }
    if (draft.size() > right) model.forget(int64_t(draft.size() - right));
    length.learn(int64_t(draft.size()), int64_t(right));
    int64_t room = std::min(length.next(), model.room() - 1);
    if (settings.max_length) room = std::min(room, *settings.max_length - int64_t(ids.size()) - 1);
    room = model.at_once(room + 1) - 1;   // the last token and the guesses behind it
    // Of embeddings, which the mask counts, there are no ids.
    const auto seen = std::span<const int32_t>(ids).subspan(std::min(size_t(settings.shown[0]), ids.size()));
    draft = room > 0 ? drafter->propose(seen, room) : Ids();
    made.drafted += int64_t(draft.size());
    Ids next(1, ids.back());
    next.insert(next.end(), draft.begin(), draft.end());
    logits.resize(next.size() * size_t(vocab));
    model.extend(next, logits.data());
  }
}

Generated generate(const Generation& settings, const Hooks& hooks, NextToken& model, int64_t vocab) {
  if (settings.beams > 1) return search_beams(settings, hooks, model, vocab);
  return (settings.drafts.tokens ? follow_drafts : follow_rows)(settings, hooks, model, vocab);
}

}  // namespace fastplm
