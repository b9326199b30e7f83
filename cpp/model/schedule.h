// Who computes what: sequences in groups, and rows in passes. Knows no layers.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/parallel.h"
#include "ops/sequences.h"

namespace fastplm {

struct Group {   // sequences that one thread carries through the whole stack
  int64_t first, last;
  int64_t tokens;
};

// The groups, largest first, that keep `threads` busy; none if all threads should work on one sequence after another.
std::vector<Group> groups_of(const Sequences& sequences, int threads);

constexpr int64_t kPassRows = 256;   // that go through several matrices while they are in the cache

enum class Share : uint8_t {
  kNothing,   // one thread does it all, pass by pass
  kRows,      // each thread takes passes
  kColumns,   // all rows at once: threads share the columns of each matrix
};

Share share_of(int64_t tokens, bool alone, int threads);

// The share of the threads' time in which they have nothing to do in a forward pass over these sequences, counted in
// tokens: the groups, or else the passes, that each takes as soon as it is free. Columns keep all threads busy.
FASTPLM_EXPORT double idle_share(const Sequences& sequences, int threads);

// Calls step(begin, end, scratch) so that all rows are covered; `scratch` is the first row of workspace it may use.
template <class Step>
void for_passes(Share share, int64_t tokens, const Step& step) {
  switch (share) {
    case Share::kRows:
      return parallel_for(tokens, kPassRows, [&](int64_t begin, int64_t end) { step(begin, end, begin); });
    case Share::kColumns: return step(0, tokens, 0);
    case Share::kNothing:
      for (int64_t begin = 0; begin < tokens; begin += kPassRows) step(begin, std::min(tokens, begin + kPassRows), 0);
  }
}

}  // namespace fastplm
