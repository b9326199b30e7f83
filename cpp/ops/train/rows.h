// Sums over rows that do not depend on the threads: rows are cut into blocks by their number alone, each block's sums
// go to a place of their own, and the blocks are added in ascending order.
#pragma once
#include "cuda/table.h"
#include "ops/rows.h"

namespace fastplm::ops {

struct RowBlocks {
  static constexpr int64_t kMaxBlocks = 64;   // blocks: enough for many threads, and few to add
  static constexpr int64_t kFewest = 32;   // rows of one: the sums stay in the cache meanwhile

  int64_t rows;
  int64_t size() const { return std::max<int64_t>(kFewest, (rows + kMaxBlocks - 1) / kMaxBlocks); }
  int64_t count() const { return (rows + size() - 1) / size(); }
  RowCut cut() const { return {rows, size(), count()}; }

  // Calls body(block, its rows) for each, on all threads.
  template <class Body>
  void each(const Body& body) const {
    parallel_for(count(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) body(b, Range{b * size(), std::min(rows, (b + 1) * size())});
    });
  }

  // out[j] = the sum over blocks of parts[block * stride + j], j < dim.
  void add(const float* parts, int64_t stride, int64_t dim, float* out) const {
    parallel_rows(dim, count() * int64_t(sizeof(float)), [&](Range columns) {
      std::fill(out + columns.begin, out + columns.end, 0.0f);
      for (int64_t b = 0; b < count(); ++b) {
        const float* part = parts + b * stride;
        for (int64_t j = columns.begin; j < columns.end; ++j) out[j] += part[j];
      }
    });
  }
};

}  // namespace fastplm::ops
