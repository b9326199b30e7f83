// Packing of a [n, k] matrix into panels. Contract: ops/linear.h.
//
// A panel is [k / step][width][step], zeros where the matrix ends.

// Rows of k are contiguous (a Linear weight, or keys of attention): whole vectors of steps are transposed.
template <class T>
static void pack_rows(const T* const* source, int64_t n, int64_t k, T* panel) {
  constexpr int64_t kPanel = FloatTiles<T>::kPanel, kStep = FloatFormat<T>::kStep, kWidth = F32::kLanes * kStep;
  for (int64_t n0 = 0; n0 < n; n0 += F32::kLanes) {
    const int64_t rows = smaller(F32::kLanes, n - n0);
    for (int64_t k0 = 0; k0 < k; k0 += kWidth) {
      const int64_t count = smaller(kWidth, k - k0);
      alignas(64) T block[F32::kLanes][kWidth];
      F32 lanes[F32::kLanes];
      for (int64_t r = 0; r < F32::kLanes; ++r) {
        if (r < rows && count == kWidth) {
          lanes[r] = load((const float*)(source[n0 + r] + k0));
          continue;
        }
        fill_zero(block[r], kWidth);
        if (r < rows) __builtin_memcpy(block[r], source[n0 + r] + k0, uint64_t(count) * sizeof(T));
        lanes[r] = load((const float*)block[r]);
      }
      transpose(lanes);
      const int64_t steps = (count + kStep - 1) / kStep;
      for (int64_t s = 0; s < steps; ++s) store((float*)panel + (k0 / kStep + s) * kPanel + n0, lanes[s]);
    }
  }
}

// Rows of n are contiguous (values of attention): step rows are copied or interleaved.
template <class T>
static void pack_columns(const T* source, int64_t stride_k, int64_t n, int64_t k, T* panel,
                         int64_t width = FloatTiles<T>::kPanel) {
  constexpr int64_t kStep = FloatFormat<T>::kStep;
  for (int64_t k0 = 0; k0 < k; k0 += kStep) {
    T* __restrict out = panel + k0 * width;
    const T* row = source + k0 * stride_k;
    const int64_t steps = smaller(kStep, k - k0);
    if (steps == 1) {
      for (int64_t i = 0; i < n; ++i) out[i * kStep] = row[i];
    } else {
      for (int64_t i = 0; i < n; ++i) {
        out[2 * i] = row[i];
        out[2 * i + 1] = row[stride_k + i];
      }
    }
  }
}

// Where n rows begin that lie `stride` apart.
template <class T>
struct RowsOf {
  const T* rows[FloatTiles<T>::kPanel];

  RowsOf(const T* source, int64_t stride, int64_t n) {
    for (int64_t r = 0; r < n; ++r) rows[r] = source + r * stride;
  }
};

template <class T>
static void clear_edges(int64_t n, int64_t k, T* panel) {
  constexpr int64_t kPanel = FloatTiles<T>::kPanel;
  const int64_t padded_k = round_up(k, FloatTiles<T>::kStep);
  if (n < kPanel || k < padded_k) fill_zero(panel, kPanel * padded_k);
}

// One panel: columns [0, n) of it, n <= kPanel; the rest of the panel becomes zero.
template <class T>
static void pack_panel(const T* source, int64_t stride_n, int64_t stride_k, int64_t n, int64_t k, T* panel) {
  clear_edges(n, k, panel);
  if (stride_k == 1)
    pack_rows(RowsOf<T>(source, stride_n, n).rows, n, k, panel);
  else
    pack_columns(source, stride_k, n, k, panel);
}

template <class T, class From>
static void pack_floats(const PackArgs<From>& a, Range panels) noexcept {
  constexpr int64_t kPanel = FloatTiles<T>::kPanel;
  const int64_t padded_k = round_up(a.k, FloatTiles<T>::kStep);
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const int64_t n0 = p * kPanel, n = smaller(kPanel, a.n - n0);
    const From* source = a.source + n0 * a.stride_n;
    T* panel = static_cast<T*>(a.panels) + n0 * padded_k;
    const From* rows[kPanel];
    for (int64_t i = 0; i < n; ++i) rows[i] = a.rows ? a.rows[n0 + i] : source + i * a.stride_n;
    clear_edges(n, a.k, panel);
    if constexpr (__is_same(From, T)) {
      if (a.stride_k == 1)
        pack_rows(rows, n, a.k, panel);
      else
        pack_columns(source, a.stride_k, n, a.k, panel);
    } else {   // of another dtype: converted in pieces, each packed where it belongs
      constexpr int64_t kPiece = 64;
      alignas(64) T piece[kPanel * kPiece];
      for (int64_t k0 = 0; k0 < a.k; k0 += kPiece) {
        const int64_t k = smaller(kPiece, a.k - k0);
        if (a.stride_k == 1) {
          for (int64_t i = 0; i < n; ++i) convert(rows[i] + k0, piece + i * kPiece, k);
          pack_rows(RowsOf<T>(piece, kPiece, n).rows, n, k, panel + k0 * kPanel);
        } else {
          for (int64_t i = 0; i < k; ++i) convert(source + (k0 + i) * a.stride_k, piece + i * kPanel, n);
          pack_columns(piece, kPanel, n, k, panel + k0 * kPanel);
        }
      }
    }
  }
}

// Of rows n0 to n0 + n - 1 the values k0 to k0 + k - 1, times their factors: to[i * ld + j].
template <class From>
static void read_rows(const PackArgs<From>& a, int64_t n0, int64_t n, int64_t k0, int64_t k, float* to, int64_t ld) {
  if (a.stride_k == 1) {
    for (int64_t i = 0; i < n; ++i)
      convert((a.rows ? a.rows[n0 + i] : a.source + (n0 + i) * a.stride_n) + k0, to + i * ld, k);
  } else {
    float column[64];   // no panel is wider
    for (int64_t j = 0; j < k; ++j) {
      convert(a.source + n0 + (k0 + j) * a.stride_k, column, n);
      for (int64_t i = 0; i < n; ++i) to[i * ld + j] = column[i];
    }
  }
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; a.column_factors && j < k; ++j) to[i * ld + j] *= a.column_factors[k0 + j];
    for (int64_t j = 0; a.row_factors && j < k; ++j) to[i * ld + j] *= a.row_factors[n0 + i];
  }
}

// What f32 and bf16 have in common: nothing is scaled, and sums are values.
template <class T>
struct PlainFormat {
  using Activation = T;
  using Row = T;
  using Weight = T;
  using Sum = float;
  using Sums = F32;
  using Values = FloatFormat<T>;
  static constexpr int64_t kLine = kLineOf<T>, kPitch = kLine;
  static constexpr CodeLayout kCodes{};
  static constexpr void (*pack_codes)(const CodesArgs&, Range) noexcept = nullptr;
  static constexpr void (*unpack_codes)(const CodesArgs&, Range) noexcept = nullptr;

  static int64_t panel_bytes(int64_t k) noexcept {
    return FloatTiles<T>::kPanel * round_up(k, FloatTiles<T>::kStep) * int64_t(sizeof(T));
  }
  template <class From>
  static void pack(const PackArgs<From>& a, Range panels) noexcept {
    pack_floats<T>(a, panels);
  }

  static constexpr int64_t kMaxK = int64_t(1) << 62;
  static constexpr bool kRowScales = false;
  FASTPLM_INLINE void pack_row(const T* from, T* to, int64_t count, float) {
    __builtin_memcpy(to, from, uint64_t(count) * sizeof(T));
  }

  struct Finish {
    Finish(const void*, int64_t, const float*) {}
    F32 operator()(F32 sums, int64_t, int64_t) const { return sums; }
  };
};
