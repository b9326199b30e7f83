// Products of two matrices that are packed for this one call. Contract: ops/train/product.h.
//
// As in gemm.inl.h, a piece of rows waits in the second-level cache, in blocks, one for each register tile, while
// panels of b pass by; here any of the operands may be transposed, and k is cut so that a panel's part stays in the
// first-level cache. Each part is summed by itself, in ascending k, and added to those before it.

template <class T, bool kFast>
struct InnerOf {   // what bf16 is multiplied in where its own products are slower
  using type = float;
};
template <>
struct InnerOf<bf16, true> {
  using type = bf16;
};

template <class T>
struct Product {
  using Inner = typename InnerOf<T, kFastBf16>::type;
  using Tile = FloatTiles<Inner>;
  static constexpr int64_t kRows = Tile::kRows, kPanel = Tile::kPanel;
  static constexpr int64_t kDepth = 256;   // values of k: a panel's part is 16 KiB for 16 columns of f32
  static_assert(kDepth % kLineOf<Inner> == 0 && kLineOf<Inner> % Tile::kStep == 0 && kLineOf<Inner> % F32::kLanes == 0);

  const ProductArgs<T>& g;
  Range rows;
  int64_t blocks = (rows.size() + kRows - 1) / kRows;
  int64_t k = round_up(g.k, Tile::kStep);
  Inner* packed = static_cast<Inner*>(g.workspace);
  float* sums = (float*)(packed + blocks * kRows * round_up(k, kLineOf<Inner>));

  static int64_t bytes(int64_t rows, int64_t k) noexcept {
    return round_up(rows, kRows) *
           (round_up(k, kLineOf<Inner>) * int64_t(sizeof(Inner)) + kPanel * int64_t(sizeof(float)));
  }
  static int64_t panel_bytes(int64_t n, int64_t k) noexcept {
    return round_up(n, kPanel) * round_up(k, Tile::kStep) * int64_t(sizeof(Inner));
  }

  // Where row r of the piece has element k0, which begins a line or lies in it.
  Inner* place(int64_t r, int64_t k0) const {
    const int64_t depth = k0 / kDepth * kDepth, size = round_up(smaller(kDepth, k - depth), kLineOf<Inner>);
    const int64_t in_line = k0 % kLineOf<Inner>, line = k0 - depth - in_line;
    return packed + kRows * (depth * blocks + r / kRows * size + line) + r % kRows * kLineOf<Inner> + in_line;
  }

  void pack_rows_of_a() const {   // rows whose k lies together
    for (int64_t r = 0; r < rows.size(); ++r) {
      const T* from = g.a + (rows.begin + r) * g.a_row;
      for (int64_t k0 = 0; k0 < g.k; k0 += kLineOf<Inner>) {
        const int64_t count = smaller(kLineOf<Inner>, g.k - k0);
        Inner* to = place(r, k0);
        if (count < kLineOf<Inner>) fill_zero(to, kLineOf<Inner>);
        convert(from + k0, to, count);
      }
    }
  }

  void pack_columns_of_a() const {   // rows that lie together for each k
    for (int64_t k0 = 0; k0 < g.k; k0 += F32::kLanes) {
      const int64_t depth = smaller(F32::kLanes, g.k - k0);
      const bool ends = k0 + F32::kLanes >= g.k;
      for (int64_t r0 = 0; r0 < rows.size(); r0 += F32::kLanes) {
        const int count = int(smaller(F32::kLanes, rows.size() - r0));
        F32 lanes[F32::kLanes];
        for (int64_t i = 0; i < F32::kLanes; ++i) {
          lanes[i] = i < depth ? load(g.a + (k0 + i) * g.a_depth + rows.begin + r0, count) : F32::zero();
        }
        transpose(lanes);
        for (int r = 0; r < count; ++r) {
          Inner* to = place(r0 + r, k0);
          if (ends) fill_zero(to, kLineOf<Inner> - k0 % kLineOf<Inner>);
          store(to, lanes[r]);
        }
      }
    }
  }

  void pack() const {
    if (g.a_depth == 1)
      pack_rows_of_a();
    else
      pack_columns_of_a();
  }

  void multiply(Range panels) const {
    typename Tile::Scope scope;
    for (int64_t p = panels.begin; p < panels.end; ++p) {
      const Inner* panel = static_cast<const Inner*>(g.panels) + p * kPanel * k;
      for (int64_t k0 = 0; k0 == 0 || k0 < k; k0 += kDepth) {
        const int64_t size = smaller(kDepth, k - k0);
        for (int64_t block = 0; block < blocks; ++block) {
          const int64_t count = smaller(kRows, rows.size() - block * kRows);
          float* c = sums + block * kRows * kPanel;
          Tile::run_block(scope, count, place(block * kRows, k0), size, panel + k0 * kPanel, c, kPanel, k0 > 0, {});
          if (k0 + size == k) finish(rows.begin + block * kRows, count, p * kPanel, c);
        }
      }
    }
  }

  void finish(int64_t row, int64_t count, int64_t column, const float* c) const {
    const auto to = [&](auto* out) {
      with_act(g.act, Precision<T>{}, [&](auto act) {
        for (int64_t r = 0; r < count; ++r) {
          const int64_t at = (row + r) * g.ldo + column;
          for_lanes(smaller(kPanel, g.n - column), [&](int64_t i, int n) {
            F32 y = load(c + r * kPanel + i);
            if (g.add) y = y + load(g.add + at + i, n);
            if (g.bias) y = y + load(g.bias + column + i, n);
            if (g.before) store(g.before + at + i, y, n);
            store(out + at + i, act(y), n);
          });
        }
      });
    };
    if (g.out_f32)
      to(g.out_f32);
    else
      to(g.out);
  }
};

template <class T>
static void product_pack(const ProductArgs<T>& g, Range panels) noexcept {
  using Inner = typename Product<T>::Inner;
  const PackArgs<T> b{
      .source = g.b, .stride_n = g.b_column, .stride_k = g.b_depth, .n = g.n, .k = g.k, .panels = g.panels};
  pack_floats<Inner>(b, panels);
}

template <class T>
static void product_rows(const ProductArgs<T>& g, Range rows) noexcept {
  Product<T>{g, rows}.pack();
}

template <class T>
static void product(const ProductArgs<T>& g, Range rows, Range panels) noexcept {
  Product<T>{g, rows}.multiply(panels);
}
