// act(a b^T + bias) + residual against packed panels. Contract: ops/linear.h.

// Bias, activation and residual of one block of sums, and its way to memory.
template <class T, bool kResidual, class To, class ActFn>
FASTPLM_INLINE void finish_rows(const GemmArgs<T>& g, To* out, int64_t row, int64_t rows, int64_t column, const float* sums,
                                ActFn act) {
  constexpr int64_t kPanel = Tiles<T>::kPanel;
  const auto finish = [&](int64_t r, int64_t i, F32 bias, int count) {
    const int64_t at = (row + r) * g.ldo + column + i;
    F32 y = act(load(sums + r * kPanel + i) + bias);
    if constexpr (kResidual) y = y + load(g.residual + at, count);
    store(out + at, y, count);
  };
  const int64_t columns = smaller(kPanel, g.n - column);
  if (columns == kPanel) {
    constexpr int kVectors = kPanel / F32::kLanes;
    F32 bias[kVectors];
    for (int v = 0; v < kVectors; ++v) bias[v] = g.bias ? load(g.bias + column + v * F32::kLanes) : F32::zero();
    for (int64_t r = 0; r < rows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) finish(r, v * F32::kLanes, bias[v], F32::kLanes);
    }
    return;
  }
  for_lanes(columns, [&](int64_t i, int count) {
    const F32 bias = g.bias ? load(g.bias + column + i, count) : F32::zero();
    for (int64_t r = 0; r < rows; ++r) finish(r, i, bias, count);
  });
}

template <class T>
static void finish_block(const GemmArgs<T>& g, int64_t row, int64_t rows, int64_t column, const float* sums) noexcept {
  with_act(g.act, Precision<T>{}, [&](auto act) {
    const auto to = [&](auto* out) {
      if (g.residual) finish_rows<T, true>(g, out, row, rows, column, sums, act);
      else finish_rows<T, false>(g, out, row, rows, column, sums, act);
    };
    if (g.out_f32) to(g.out_f32);
    else to(g.out);
  });
}

// Asks for part `piece` of `pieces` of a panel to be brought into the second-level cache.
template <class T>
FASTPLM_INLINE void fetch_part(const T* panel, int64_t count, int64_t piece, int64_t pieces) {
  constexpr int64_t kLine = 64 / sizeof(T);
  const int64_t lines = count / kLine, end = lines * (piece + 1) / pieces;
  for (int64_t i = lines * piece / pieces; i < end; ++i) __builtin_prefetch(panel + i * kLine, 0, 2);
}

// A panel stays in the cache while all rows pass it, and the next one is fetched meanwhile. `rows` should be
// few enough that their part of `a` stays in the second-level cache (linear.cpp sees to it).
template <class T>
static void gemm(const GemmArgs<T>& g, Range rows, Range panels) noexcept {
  using Tile = Tiles<T>;
  const int64_t panel_size = Tile::kPanel * round_up(g.k, Tile::kStep);
  const int64_t blocks = (rows.size() + Tile::kRows - 1) / Tile::kRows;
  alignas(64) float sums[Tile::kRows * Tile::kPanel];
  typename Tile::Scope scope;
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const T* panel = g.panels + p * panel_size;
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t row = rows.begin + block * Tile::kRows, count = smaller(Tile::kRows, rows.end - row);
      if (p + 1 < panels.end) fetch_part(panel + panel_size, panel_size, block, blocks);
      multiply(scope, count, g.a + row * g.lda, g.lda, g.k, panel, sums, Tile::kPanel, false);
      finish_block(g, row, count, p * Tile::kPanel, sums);
    }
  }
}
