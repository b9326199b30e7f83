// act(a b^T + bias) + residual against packed panels. Contract: ops/linear.h.

// Bias, activation and residual of one block of sums, and its way to memory.
template <class T, bool kResidual, class To, class ActFn>
FASTPLM_INLINE void finish_rows(const GemmArgs<T>& g, To* out, int64_t row, int64_t rows, int64_t column,
                                const float* sums, ActFn act) {
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
      if (g.residual)
        finish_rows<T, true>(g, out, row, rows, column, sums, act);
      else
        finish_rows<T, false>(g, out, row, rows, column, sums, act);
    };
    if (g.out_f32)
      to(g.out_f32);
    else
      to(g.out);
  });
}

// One register tile's rows as [k / kLine][kRows][kLine], zeros behind k: one stream instead of one for each row, and a
// matrix unit's tile is one piece of memory.
template <class T>
static void pack_block(int64_t rows, const T* a, int64_t lda, int64_t k, T* block) {
  for (int64_t i = 0; i < k; i += kLine<T>, block += Tiles<T>::kRows * kLine<T>) {
    const int64_t count = smaller(kLine<T>, k - i);
    for (int64_t r = 0; r < rows; ++r) {
      T* to = block + r * kLine<T>;
      const T* from = a + r * lda + i;
      if (count == kLine<T>) {
        __builtin_memcpy(to, from, 64);
      } else {
        fill_zero(to, kLine<T>);
        __builtin_memcpy(to, from, uint64_t(count) * sizeof(T));
      }
    }
  }
}

// The rows are first copied into blocks, one for each register tile. A panel stays in the cache while all blocks
// pass it, and the next one is fetched meanwhile. `rows` should be few enough that their blocks stay in the
// second-level cache (linear.cpp sees to it). Where Tiles wants k in several depths, each depth of a panel meets all
// blocks before the next does, and the sums wait in memory.
template <class T>
struct Gemm {
  using Tile = Tiles<T>;
  static constexpr int64_t kRows = Tile::kRows, kPanel = Tile::kPanel;

  const GemmArgs<T>& g;
  Range rows;
  int64_t blocks = (rows.size() + kRows - 1) / kRows;
  int64_t k = round_up(g.k, Tile::kStep);
  int64_t depth = Tile::depth(k);
  T* packed = static_cast<T*>(g.workspace);
  float* sums = (float*)(packed + blocks * kRows * round_up(k, kLine<T>));

  static int64_t bytes(int64_t rows, int64_t k) noexcept {
    return round_up(rows, kRows) * (round_up(k, kLine<T>) * int64_t(sizeof(T)) + kPanel * int64_t(sizeof(float)));
  }

  // Calls body(depth's begin, its size, block's first row, its rows, its packed values, its sums).
  template <class Body>
  FASTPLM_INLINE void for_blocks(const Gemm& b, Body body) {
    for (int64_t k0 = 0; k0 < b.k; k0 += b.depth) {
      const int64_t size = smaller(b.depth, b.k - k0);
      for (int64_t block = 0; block < b.blocks; ++block) {
        const int64_t row = b.rows.begin + block * kRows;
        body(k0, size, row, smaller(kRows, b.rows.end - row),
             b.packed + kRows * (k0 * b.blocks + block * round_up(size, kLine<T>)),
             b.depth == b.k ? b.sums : b.sums + block * kRows * kPanel);
      }
    }
  }

  void pack() const {
    for_blocks(*this, [&](int64_t k0, int64_t size, int64_t row, int64_t count, T* to, float*) {
      pack_block(count, g.a + row * g.lda + k0, g.lda, smaller(size, g.k - k0), to);
    });
  }

  void multiply(Range panels) const {
    typename Tile::Scope scope;
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      const T* panel = g.panels + p * kPanel * k;
      const T* next = (p + 1) * kPanel < g.n ? panel + kPanel * k : nullptr;
      for_blocks(*this, [&](int64_t k0, int64_t size, int64_t row, int64_t count, const T* a, float* c) {
        const Fetch fetch = part_of(next + kPanel * k0, size, (row - rows.begin) / kRows);
        Tile::run_block(scope, count, a, size, panel + kPanel * k0, c, kPanel, k0 > 0, next ? fetch : Fetch{});
        if (k0 + size == k) finish_block(g, row, count, p * kPanel, c);
      });
    }
  }

  // The share that one block has in fetching the next panel.
  Fetch part_of(const T* panel, int64_t size, int64_t block) const {
    const int64_t fetches = round_up(size, kLine<T>) / kLine<T>;  // of each block: tiles call some() for each line of k
    const int64_t lines = (kPanel * size / kLine<T> + fetches * blocks - 1) / (fetches * blocks);
    return {(const char*)(panel + block * fetches * lines * kLine<T>), lines};
  }
};

template <class T>
static void gemm_rows(const GemmArgs<T>& g, Range rows) noexcept {
  Gemm<T>{g, rows}.pack();
}

template <class T>
static void gemm(const GemmArgs<T>& g, Range rows, Range panels) noexcept {
  Gemm<T>{g, rows}.multiply(panels);
}
