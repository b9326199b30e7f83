// act(a b^T + bias) + residual against packed panels. Contract: ops/linear.h.

// Bias, activation and residual of one block of sums, and its way to memory.
template <class T>
static void finish_block(const GemmArgs<T>& g, int64_t row, int64_t rows, int64_t column, const float* sums) noexcept {
  constexpr int64_t kPanel = Tiles<T>::kPanel;
  const int64_t columns = smaller(kPanel, g.n - column);
  with_act(g.act, Precision<T>{}, [&](auto act) {
    for (int64_t r = 0; r < rows; ++r) {
      const int64_t start = (row + r) * g.ldo + column;
      for_lanes(columns, [&](int64_t i, int count) {
        F32 y = load(sums + r * kPanel + i);
        if (g.bias) y = y + load(g.bias + column + i, count);
        y = act(y);
        if (g.residual) y = y + load(g.residual + start + i, count);
        if (g.out_f32) store(g.out_f32 + start + i, y, count);
        if (g.out) store(g.out + start + i, y, count);
      });
    }
  });
}

// A panel stays in the cache while all rows pass it. `rows` should be few enough that their part of `a`
// stays in the second-level cache (linear.cpp sees to it).
template <class T>
static void gemm(const GemmArgs<T>& g, Range rows, Range panels) noexcept {
  using Tile = Tiles<T>;
  const int64_t padded_k = round_up(g.k, Tile::kStep);
  alignas(64) float sums[Tile::kRows * Tile::kPanel];
  typename Tile::Scope scope;
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const int64_t column = p * Tile::kPanel;
    for (int64_t row = rows.begin; row < rows.end; row += Tile::kRows) {
      const int64_t count = smaller(Tile::kRows, rows.end - row);
      multiply(scope, count, g.a + row * g.lda, g.lda, g.k, g.panels + column * padded_k, sums, Tile::kPanel, false);
      finish_block(g, row, count, column, sums);
    }
  }
}
