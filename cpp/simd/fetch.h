// Memory that is wanted soon.
#pragma once
#include <cstdint>

namespace fastplm::FASTPLM_ISA {

// `lines` cache lines from `next` on, for every line of k in a product, into the second-level cache. A burst of them
// between two products would stop at the core's few fill buffers.
struct Fetch {
  const char* next = nullptr;
  int64_t lines = 0;

  void prefetch_next() {
    for (int64_t i = 0; i < lines; ++i, next += 64) __builtin_prefetch(next, 0, 2);
  }
};

}  // namespace fastplm::FASTPLM_ISA
