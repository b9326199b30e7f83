// Sharing the work of an op out among threads.
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

// Lets a thread that takes piece after piece of an op stop when it should.
class Stops {
 public:
  // Before a piece of that many multiply-adds: throws as leave_if_stopped does.
  void before(int64_t multiply_adds) {
    constexpr int64_t kBetween = 4 << 20;   // less than some milliseconds, and far more than asking costs
    work_ += multiply_adds;
    if (work_ < kBetween) return;
    work_ = 0;
    leave_if_stopped();
  }

 private:
  int64_t work_ = 0;
};

}  // namespace fastplm
