// The inner product of a GEMM and of attention: c[rows, kPanel] (+)= a[rows, k] panel^T in registers.
//
// One text for every weight format. Every output is one chain of multiply-adds in ascending k, whatever the
// number of rows, so a row's result does not depend on the rows computed beside it.
//
// A format F, kernels/format/<name>.inl.h, says
//   Activation            the type of the rows that gemm is given
//   Row, Weight           of the values that are multiplied: of a row, of a panel
//   Sum, Sums             what products are summed in: a number, and a vector of kLanes of them
//   kStep                 the values of k that one multiply-add consumes
//   Lanes, load_panel, broadcast, multiply_add      that multiply-add
//   panel_bytes(k)        of one panel
//   pack(args, panels)    a matrix into panels
//   kCodes, pack_codes, unpack_codes                integers as they are stored, and panels
//   kLine, kPitch         of a row in a block: values that lie together, and the room that they take
//   kRowScales, scale_of, pack_row                  rows of Activation into lines of Row
//   kMaxK                 the longest row whose sums Sum holds
//   Finish                sums into values
//   Values                the format whose Sum, Finish and panel these are: itself, or one that has the same

template <class T>
struct FloatFormat;   // weights of the activations' own type; attention multiplies with these too
struct Int8Format;

template <class T>
constexpr int64_t kLineOf = 64 / sizeof(T);   // values in a cache line

// kVectors of the kWidth that the panel is wide. kBlock: a is a block of rows as pack_block (gemm.inl.h) lays them out,
// else rows lda apart.
template <class F, int kRows, int kVectors, int kWidth, bool kBlock>
static void vector_tile(const typename F::Row* a, int64_t lda, int64_t k, const typename F::Weight* panel,
                        typename F::Sum* c, int64_t ldc, bool accumulate, Fetch fetch) {
  using Sums = typename F::Sums;
  constexpr int64_t kPanel = kWidth * F32::kLanes, kLine = kLineOf<typename F::Row>;
  Sums sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[r][v] = accumulate ? load(c + r * ldc + v * F32::kLanes) : Sums::zero();
  }
  constexpr int64_t kAhead = 8 * kPanel * F::kStep;  // steps; a panel outgrows the first-level cache
  const int64_t row = kBlock ? kLine : lda, skip = kBlock ? (kTileRows - 1) * kLine : 0;
  for (int64_t line = 0; line < k; line += kLine, a += skip) {
    fetch.prefetch_next();
    const int64_t end = smaller(kLine, k - line);
    for (int64_t i = 0; i < end; i += F::kStep, a += F::kStep, panel += kPanel * F::kStep) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) __builtin_prefetch(panel + kAhead + v * F32::kLanes * F::kStep);
      typename F::Lanes b[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) b[v] = F::load_panel(panel + v * F32::kLanes * F::kStep);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const typename F::Lanes x = F::broadcast(a + r * row);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sums[r][v] = F::multiply_add(x, b[v], sums[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(c + r * ldc + v * F32::kLanes, sums[r][v]);
  }
}

template <class F, int kRows, int kVectors, int kWidth, bool kBlock>
FASTPLM_INLINE void vector_rows(int64_t rows, const typename F::Row* a, int64_t lda, int64_t k,
                                const typename F::Weight* panel, typename F::Sum* c, int64_t ldc, bool accumulate,
                                Fetch fetch) {
  if (rows == kRows)
    return vector_tile<F, kRows, kVectors, kWidth, kBlock>(a, lda, k, panel, c, ldc, accumulate, fetch);
  if constexpr (kRows > 1)
    vector_rows<F, kRows - 1, kVectors, kWidth, kBlock>(rows, a, lda, k, panel, c, ldc, accumulate, fetch);
}

// What gemm and attention use: up to kRows rows against one panel, k a multiple of kStep, which a matrix unit wants
// longer than the format's. A Scope must live on the calling thread meanwhile.
template <class F>
struct VectorTiles {
  using Row = typename F::Row;
  using Weight = typename F::Weight;
  using Sum = typename F::Sum;
  static constexpr int64_t kRows = kTileRows, kPanel = kTileVectors * F32::kLanes;
  static constexpr int64_t kStep = F::kStep;
  struct Scope {};

  // How much of k gemm takes at a time.
  FASTPLM_INLINE int64_t depth(int64_t k) { return k; }

  // Rows of a as a matrix has them; no more of c's columns than that many are wanted. kNarrow: the panel is no wider
  // than these, in whole vectors.
  template <bool kNarrow = false, int kVectors = kTileVectors>
  FASTPLM_INLINE void run(Scope& scope, int64_t rows, const Row* a, int64_t lda, int64_t k, const Weight* panel, Sum* c,
                          int64_t ldc, int64_t columns, bool accumulate) {
    if constexpr (kVectors > 1) {
      if (columns <= (kVectors - 1) * F32::kLanes)
        return run<kNarrow, kVectors - 1>(scope, rows, a, lda, k, panel, c, ldc, columns, accumulate);
    }
    vector_rows<F, kTileRows, kVectors, kNarrow ? kVectors : kTileVectors, false>(rows, a, lda, k, panel, c, ldc,
                                                                                  accumulate, {});
  }

  // A block of rows.
  FASTPLM_INLINE void run_block(Scope&, int64_t rows, const Row* a, int64_t k, const Weight* panel, Sum* c, int64_t ldc,
                                bool accumulate, Fetch fetch) {
    vector_rows<F, kTileRows, kTileVectors, kTileVectors, true>(rows, a, 0, k, panel, c, ldc, accumulate, fetch);
  }
};

template <class F>
struct Tiles : VectorTiles<F> {};
#ifdef FASTPLM_MATRIX_TILES  // simd/<isa>.h brings MatrixTiles: a matrix unit for bf16 and int8
template <>
struct Tiles<FloatFormat<bf16>> : MatrixTiles<bf16, bf16, float> {};
template <>
struct Tiles<Int8Format> : MatrixTiles<Int8Row, int8_t, int32_t> {};
#endif
template <class T>
using FloatTiles = Tiles<FloatFormat<T>>;

// Any k: what is left beyond the last whole step is copied and filled up with zeros.
template <class T>
static void multiply(typename FloatTiles<T>::Scope& scope, int64_t rows, const T* a, int64_t lda, int64_t k,
                     const T* panel, float* c, int64_t ldc, int64_t columns) {
  using Tile = FloatTiles<T>;
  const int64_t whole = k / Tile::kStep * Tile::kStep, rest = k - whole;
  if (whole || !rest) Tile::run(scope, rows, a, lda, whole, panel, c, ldc, columns, false);
  if constexpr (Tile::kStep > 1) {
    if (!rest) return;
    alignas(64) T tail[Tile::kRows * Tile::kStep];
    fill_zero(tail, Tile::kRows * Tile::kStep);
    for (int64_t r = 0; r < rows; ++r) {
      __builtin_memcpy(tail + r * Tile::kStep, a + r * lda + whole, uint64_t(rest) * sizeof(T));
    }
    Tile::run(scope, rows, tail, Tile::kStep, Tile::kStep, panel + whole * Tile::kPanel, c, ldc, columns, whole > 0);
  }
}
