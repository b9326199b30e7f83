// Sharing the rows of an elementwise op out among threads.
#pragma once
#include <algorithm>

#include "core/parallel.h"
#include "kernels/args.h"

namespace fastplm {

// Calls kernel(Range) on pieces of [0, rows), each worth at least about 32 KiB of work.
template <class Kernel>
void parallel_rows(int64_t rows, int64_t bytes_per_row, const Kernel& kernel) {
  constexpr int64_t kPieceBytes = 32 << 10;   // some microseconds: well above the cost of handing it out
  const int64_t grain = std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, bytes_per_row));
  parallel_for(rows, grain, [&](int64_t begin, int64_t end) { kernel(Range{begin, end}); });
}

}  // namespace fastplm
