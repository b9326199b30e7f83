// The inner product of a GEMM and of attention: c[rows, kPanel] (+)= a[rows, k] panel^T in registers.
//
// One text for f32 and bf16. Every output is one chain of multiply-adds in ascending k, whatever the
// number of rows, so a row's result does not depend on the rows computed beside it.

template <class T>
struct Step;   // the values of k that one multiply-add consumes: one 32-bit lane

template <>
struct Step<float> {
  static constexpr int64_t kSize = 1;
  using Lanes = F32;
  FASTPLM_INLINE F32 load_panel(const float* p) { return load(p); }
  FASTPLM_INLINE F32 broadcast(const float* p) { return F32::set1(*p); }
  FASTPLM_INLINE F32 multiply_add(F32 a, F32 b, F32 c) { return fma(a, b, c); }
};

template <>
struct Step<bf16> {
  static constexpr int64_t kSize = 2;
  using Lanes = Pair;
  FASTPLM_INLINE Pair load_panel(const bf16* p) { return load_pairs(p); }
  FASTPLM_INLINE Pair broadcast(const bf16* p) { return broadcast_pair(p); }
  FASTPLM_INLINE F32 multiply_add(Pair a, Pair b, F32 c) { return dot(a, b, c); }
};

template <class T>
constexpr int64_t kLine = 64 / sizeof(T);   // values in a cache line

// kBlock: a is a block of rows as pack_block (gemm.inl.h) lays them out, else rows lda apart.
template <class T, int kRows, int kVectors, bool kBlock>
static void vector_tile(const T* a, int64_t lda, int64_t k, const T* panel, float* c, int64_t ldc, bool accumulate,
                        Fetch fetch) {
  using S = Step<T>;
  constexpr int64_t kPanel = kTileVectors * F32::kLanes;
  F32 sums[kRows][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[r][v] = accumulate ? load(c + r * ldc + v * F32::kLanes) : F32::zero();
  }
  constexpr int64_t kAhead = 8 * kPanel * S::kSize;   // steps; a panel outgrows the first-level cache
  const int64_t row = kBlock ? kLine<T> : lda, skip = kBlock ? (kTileRows - 1) * kLine<T> : 0;
  for (int64_t line = 0; line < k; line += kLine<T>, a += skip) {
    fetch.some();
    const int64_t end = smaller(kLine<T>, k - line);
    for (int64_t i = 0; i < end; i += S::kSize, a += S::kSize, panel += kPanel * S::kSize) {
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) __builtin_prefetch(panel + kAhead + v * F32::kLanes * S::kSize);
      typename S::Lanes b[kVectors];
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) b[v] = S::load_panel(panel + v * F32::kLanes * S::kSize);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const typename S::Lanes x = S::broadcast(a + r * row);
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; ++v) sums[r][v] = S::multiply_add(x, b[v], sums[r][v]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) store(c + r * ldc + v * F32::kLanes, sums[r][v]);
  }
}

template <class T, int kRows, int kVectors, bool kBlock>
FASTPLM_INLINE void vector_rows(int64_t rows, const T* a, int64_t lda, int64_t k, const T* panel, float* c, int64_t ldc,
                                bool accumulate, Fetch fetch) {
  if (rows == kRows) return vector_tile<T, kRows, kVectors, kBlock>(a, lda, k, panel, c, ldc, accumulate, fetch);
  if constexpr (kRows > 1)
    vector_rows<T, kRows - 1, kVectors, kBlock>(rows, a, lda, k, panel, c, ldc, accumulate, fetch);
}

// What gemm and attention use: up to kRows rows against one panel, k a multiple of kStep. A Scope must live
// on the calling thread meanwhile.
template <class T>
struct VectorTiles {
  static constexpr int64_t kRows = kTileRows, kPanel = kTileVectors * F32::kLanes;
  static constexpr int64_t kStep = Step<T>::kSize;
  struct Scope {};

  // How much of k gemm takes at a time.
  FASTPLM_INLINE int64_t depth(int64_t k) { return k; }

  // Rows of a as a matrix has them; no more of c's columns than that many are wanted.
  template <int kVectors = kTileVectors>
  FASTPLM_INLINE void run(Scope& scope, int64_t rows, const T* a, int64_t lda, int64_t k, const T* panel, float* c,
                          int64_t ldc, int64_t columns, bool accumulate) {
    if constexpr (kVectors > 1) {
      if (columns <= (kVectors - 1) * F32::kLanes)
        return run<kVectors - 1>(scope, rows, a, lda, k, panel, c, ldc, columns, accumulate);
    }
    vector_rows<T, kTileRows, kVectors, false>(rows, a, lda, k, panel, c, ldc, accumulate, {});
  }

  // A block of rows.
  FASTPLM_INLINE void run_block(Scope&, int64_t rows, const T* a, int64_t k, const T* panel, float* c, int64_t ldc,
                                bool accumulate, Fetch fetch) {
    vector_rows<T, kTileRows, kTileVectors, true>(rows, a, 0, k, panel, c, ldc, accumulate, fetch);
  }
};

template <class T>
struct Tiles : VectorTiles<T> {};
#ifdef FASTPLM_MATRIX_TILES   // simd/<isa>.h brings MatrixTiles: a matrix unit for bf16
template <>
struct Tiles<bf16> : MatrixTiles {};
#endif

// Any k: what is left beyond the last whole step is copied and filled up with zeros.
template <class T>
static void multiply(typename Tiles<T>::Scope& scope, int64_t rows, const T* a, int64_t lda, int64_t k, const T* panel,
                     float* c, int64_t ldc, int64_t columns) {
  using Tile = Tiles<T>;
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
