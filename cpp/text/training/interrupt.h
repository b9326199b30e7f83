// Long work that is no parallel loop.
#pragma once
#include <cstdint>
#include "core/parallel.h"

namespace fastplm::text {

// Throws Error(kInterrupted) if the caller asked to stop (Ctrl-C). Cheap, but not for every step of an inner loop.
inline void check_interrupt() {
  parallel_for(1, 1, [](int64_t, int64_t) {});
}

constexpr int64_t kInterruptEvery = 1 << 14;   // words, places, nodes: some milliseconds at most

}  // namespace fastplm::text
