#include "model/schedule.h"

#include <functional>
#include <numeric>

namespace fastplm {

// Enough rows to use the weights well, few enough that they stay near the core. The smaller ones are for many threads
// with few tokens each.
static constexpr int64_t kGroupTokens[] = {256, 224, 192, 160, 128, 96, 64};
static constexpr double kIdle = 0.1;

static std::vector<Group> groups_up_to(const Sequences& sequences, int64_t most) {
  std::vector<Group> groups;
  for (int64_t s = 0; s < sequences.count; ++s) {
    const int64_t length = sequences.length(s);
    if (groups.empty() || groups.back().tokens + length > most) groups.push_back({s, s, 0});
    groups.back().last = s + 1;
    groups.back().tokens += length;
  }
  std::ranges::stable_sort(groups, std::greater{}, &Group::tokens);
  return groups;
}

// Of pieces of work that threads take in that order, each as soon as it is free.
static double idle_of(const std::vector<int64_t>& pieces, int threads) {
  std::vector<int64_t> load(size_t(threads), 0);
  for (int64_t tokens : pieces) *std::ranges::min_element(load) += tokens;
  const int64_t longest = std::ranges::max(load), total = std::accumulate(load.begin(), load.end(), int64_t{0});
  return longest ? 1.0 - double(total) / double(longest * threads) : 0.0;
}

static double idle_of(const std::vector<Group>& groups, int threads) {
  std::vector<int64_t> pieces;
  for (const Group& group : groups) pieces.push_back(group.tokens);
  return idle_of(pieces, threads);
}

static double idle_of_passes(int64_t tokens, int threads) {
  std::vector<int64_t> pieces(size_t(tokens / kPassRows), kPassRows);
  pieces.push_back(tokens % kPassRows);
  return idle_of(pieces, threads);
}

std::vector<Group> groups_of(const Sequences& sequences, int threads) {
  for (int64_t most : kGroupTokens) {
    std::vector<Group> groups = groups_up_to(sequences, most);
    if (groups.size() < 2) continue;
    if (threads == 1 || idle_of(groups, threads) <= kIdle) return groups;
  }
  return {};
}

Share share_of(int64_t tokens, bool alone, int threads) {
  if (!alone) return Share::kNothing;
  const int64_t passes = (tokens + kPassRows - 1) / kPassRows;
  return passes >= 2 * threads && idle_of_passes(tokens, threads) <= kIdle ? Share::kRows : Share::kColumns;
}

double idle_share(const Sequences& sequences, int threads) {
  if (const std::vector<Group> groups = groups_of(sequences, threads); !groups.empty()) return idle_of(groups, threads);
  const int64_t tokens = sequences.tokens();
  return share_of(tokens, true, threads) == Share::kRows ? idle_of_passes(tokens, threads) : 0.0;
}

}  // namespace fastplm
