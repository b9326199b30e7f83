// act(a b^T + bias) + residual against packed panels. Contract: ops/linear.h.

// Bias, activation and residual of one block of sums, and its way to memory.
template <class F, bool kResidual, class To, class ActFn>
FASTPLM_INLINE void finish_rows(const GemmArgs& g, To* out, int64_t row, int64_t rows, int64_t column,
                                const typename F::Sum* sums, const typename F::Finish& value_of, ActFn act) {
  constexpr int64_t kPanel = Tiles<F>::kPanel;
  const auto finish = [&](int64_t r, int64_t i, F32 bias, int count) {
    const int64_t at = (row + r) * g.ldo + column + i;
    F32 y = act(value_of(load(sums + r * kPanel + i), r, i) + bias);
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

template <class F>
static void finish_block(const GemmArgs& g, int64_t row, int64_t rows, int64_t column, const typename F::Sum* sums,
                         const typename F::Finish& value_of) noexcept {
  using Activation = typename F::Activation;
  with_act(g.act, Precision<Activation>{}, [&](auto act) {
    const auto to = [&](auto* out) {
      if (g.residual)
        finish_rows<F, true>(g, out, row, rows, column, sums, value_of, act);
      else
        finish_rows<F, false>(g, out, row, rows, column, sums, value_of, act);
    };
    if (g.out_f32)
      to(g.out_f32);
    else
      to(static_cast<Activation*>(g.out));
  });
}

// One register tile's rows as [k / kLine][kRows][kPitch], zeros behind k: one stream instead of one for each row, and a
// matrix unit's tile is one piece of memory. scales: of the rows, where the format has them.
template <class F>
static void pack_block(int64_t rows, const typename F::Activation* a, int64_t lda, int64_t k, const float* scales,
                       typename F::Row* block) {
  constexpr int64_t kLine = F::kLine;
  for (int64_t i = 0; i < k; i += kLine, block += Tiles<F>::kRows * F::kPitch) {
    const int64_t count = smaller(kLine, k - i);
    for (int64_t r = 0; r < rows; ++r) {
      typename F::Row* to = block + r * F::kPitch;
      const typename F::Activation* from = a + r * lda + i;
      const float scale = F::kRowScales ? scales[r] : 1.0f;
      if (count == kLine) {
        F::pack_row(from, to, kLine, scale);
      } else {
        fill_zero(to, kLine);
        F::pack_row(from, to, count, scale);
      }
    }
  }
}

// The rows are first copied into blocks, one for each register tile. A panel stays in the cache while all blocks
// pass it, and the next one is fetched meanwhile. `rows` should be few enough that their blocks stay in the
// second-level cache (linear.cpp sees to it). Where Tiles wants k in several depths, each depth of a panel meets all
// blocks before the next does, and the sums wait in memory.
template <class F>
struct Gemm {
  using Tile = Tiles<F>;
  using Row = typename F::Row;
  using Weight = typename F::Weight;
  using Sum = typename F::Sum;
  static constexpr int64_t kRows = Tile::kRows, kPanel = Tile::kPanel;

  const GemmArgs& g;
  Range rows;
  int64_t blocks = (rows.size() + kRows - 1) / kRows;
  int64_t k = round_up(g.k, Tile::kStep);
  int64_t depth = Tile::depth(k);
  Row* packed = static_cast<Row*>(g.workspace);
  Sum* sums = (Sum*)(packed + blocks * kRows * room(k));
  float* scales = (float*)(sums + blocks * kRows * kPanel);   // of the rows, where the format has them

  // Of k values of a row in its block.
  FASTPLM_INLINE int64_t room(int64_t k) { return round_up(k, F::kLine) / F::kLine * F::kPitch; }

  static int64_t bytes(int64_t rows, int64_t k) noexcept {
    return round_up(rows, kRows) * (room(k) * int64_t(sizeof(Row)) + kPanel * int64_t(sizeof(Sum)) +
                                    (F::kRowScales ? int64_t(sizeof(float)) : 0));
  }

  // Calls body(depth's begin, its size, block's first row, its rows, its packed values, its sums).
  template <class Body>
  FASTPLM_INLINE void for_blocks(const Gemm& b, Body body) {
    for (int64_t k0 = 0; k0 < b.k; k0 += b.depth) {
      const int64_t size = smaller(b.depth, b.k - k0);
      for (int64_t block = 0; block < b.blocks; ++block) {
        const int64_t row = b.rows.begin + block * kRows;
        body(k0, size, row, smaller(kRows, b.rows.end - row),
             b.packed + kRows * (room(k0) * b.blocks + block * room(size)),
             b.depth == b.k ? b.sums : b.sums + block * kRows * kPanel);
      }
    }
  }

  const float* scales_of(int64_t row) const { return scales + (row - rows.begin); }

  void pack() const {
    const auto* a = static_cast<const typename F::Activation*>(g.a);
    if constexpr (F::kRowScales) {   // over all of k, before it is cut
      for (int64_t r = 0; r < rows.size(); ++r) scales[r] = F::scale_of(a + (rows.begin + r) * g.lda, g.k);
    }
    for_blocks(*this, [&](int64_t k0, int64_t size, int64_t row, int64_t count, Row* to, Sum*) {
      pack_block<F>(count, a + row * g.lda + k0, g.lda, smaller(size, g.k - k0), scales_of(row), to);
    });
  }

  void multiply(Range panels) const {
    typename Tile::Scope scope;
    const int64_t bytes = F::panel_bytes(g.k);
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      const auto* panel = (const Weight*)((const char*)g.panels + p * bytes);
      const auto* next = (p + 1) * kPanel < g.n ? (const Weight*)((const char*)panel + bytes) : nullptr;
      for_blocks(*this, [&](int64_t k0, int64_t size, int64_t row, int64_t count, const Row* a, Sum* c) {
        const Fetch fetch = part_of(next + kPanel * k0, size, (row - rows.begin) / kRows);
        Tile::run_block(scope, count, a, size, panel + kPanel * k0, c, kPanel, k0 > 0, next ? fetch : Fetch{});
        if (k0 + size == k) finish_block<typename F::Values>(g, row, count, p * kPanel, c, {panel, k, scales_of(row)});
      });
    }
  }

  // The share that one block has in fetching the next panel.
  Fetch part_of(const Weight* panel, int64_t size, int64_t block) const {
    const int64_t fetches = round_up(size, F::kLine) / F::kLine;  // of each block: tiles call some() for each line of k
    const int64_t lines = (F::panel_bytes(size) / 64 + fetches * blocks - 1) / (fetches * blocks);
    return {(const char*)panel + block * fetches * lines * 64, lines};
  }
};

template <class F>
static void gemm_rows(const GemmArgs& g, Range rows) noexcept {
  Gemm<F>{g, rows}.pack();
}

template <class F>
static void gemm(const GemmArgs& g, Range rows, Range panels) noexcept {
  Gemm<F>{g, rows}.multiply(panels);
}
