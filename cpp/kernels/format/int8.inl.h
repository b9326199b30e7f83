// Weights in int8, with one scale for each row of the matrix, and activations rounded to int8 as they are packed, with
// one scale for each of their rows: the largest magnitude becomes 127. Products and sums are exact integers, so a
// result is  float(sum) * (row's scale * column's scale)  on every ISA.
//
// A panel is [k / step][panel][step] of int8, then its columns' scales in f32; where rows are held with an offset, then
// the sums of its columns times that offset, which the products have too much.
struct Int8Format {
  using Activation = bf16;
  using Row = Int8Row;
  using Weight = int8_t;
  using Sum = int32_t;
  using Sums = I32;
  static constexpr int64_t kStep = kInt8Step;
  static constexpr int kMost = 127;  // the same on both sides of zero
  static constexpr int64_t kMaxK = 0x7fffffff / (128 * kMost);  // 128: the largest offset that an ISA has

  using Lanes = Int8s;
  FASTPLM_INLINE Int8s load_panel(const int8_t* p) { return load_int8s(p); }
  FASTPLM_INLINE Int8s broadcast(const Row* p) { return broadcast_int8s(p); }
  FASTPLM_INLINE I32 multiply_add(Int8s row, Int8s panel, I32 c) { return dot(row, panel, c); }

  static int64_t panel_bytes(int64_t k) noexcept;
  template <class From>
  static void pack(const PackArgs<From>& a, Range panels) noexcept;

  static constexpr bool kRowScales = true;
  // NaN if a value is not finite; 0 if all are so small that the inverse would not be.
  template <class From>
  static float scale_of(const From* x, int64_t n) {
    F32 top = F32::zero(), bad = F32::zero();
    for_lanes(n, [&](int64_t i, int count) {
      const F32 v = load(x + i, count);
      top = max(max(v, F32::zero() - v), top);
      bad = bad + (v - v);
    });
    const float scale = largest(top) / float(kMost);
    return (scale < 0x1p-120f ? 0.0f : scale) + sum(bad);
  }

  // x / scale to the nearest even integer. n <= 64.
  template <class From, class To>
  FASTPLM_INLINE void quantise(const From* x, To* q, int64_t n, float scale, int offset) {
    float rounded[64];
    const F32 inverse = F32::set1(scale > 0.0f ? 1.0f / scale : 0.0f);
    for_lanes(n, [&](int64_t i, int count) {  // the maximum is for NaN
      store(rounded + i, max(round(load(x + i, count) * inverse), F32::set1(float(-kMost))), count);
    });
    for (int64_t i = 0; i < n; ++i) q[i] = To(int(rounded[i]) + offset);
  }
  static void pack_row(const bf16* from, Row* to, int64_t count, float scale) {
    quantise(from, to, count, scale, kInt8Offset);
  }

  struct Finish {
    const float* columns;
    const int32_t* offsets;
    const float* rows;

    Finish(const int8_t* panel, int64_t k, const float* scales);
    F32 operator()(I32 sums, int64_t row, int64_t column) const {
      if constexpr (kInt8Offset != 0) sums = sums - load(offsets + column);
      return to_f32(sums) * (F32::set1(rows[row]) * load(columns + column));
    }
  };
};

using Int8Tiles = Tiles<Int8Format>;

int64_t Int8Format::panel_bytes(int64_t k) noexcept {
  const int64_t numbers = kInt8Offset != 0 ? 2 : 1;
  return round_up(Int8Tiles::kPanel * (round_up(k, Int8Tiles::kStep) + numbers * int64_t(sizeof(float))), 64);
}

Int8Format::Finish::Finish(const int8_t* panel, int64_t k, const float* scales)
    : columns((const float*)(panel + Int8Tiles::kPanel * k)),
      offsets((const int32_t*)(columns + Int8Tiles::kPanel)),
      rows(scales) {}

template <class From>
void Int8Format::pack(const PackArgs<From>& a, Range panels) noexcept {
  constexpr int64_t kPanel = Int8Tiles::kPanel, kPiece = 64;
  const int64_t padded_k = round_up(a.k, Int8Tiles::kStep);
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const int64_t n0 = p * kPanel, n = smaller(kPanel, a.n - n0);
    int8_t* panel = static_cast<int8_t*>(a.panels) + p * panel_bytes(a.k);
    float* scales = (float*)(panel + kPanel * padded_k);
    int32_t* offsets = (int32_t*)(scales + kPanel);
    __builtin_memset(panel, 0, uint64_t(panel_bytes(a.k)));

    // In rows of a piece of k, whatever the order of the matrix.
    From piece[kPanel * kPiece];
    const auto row_of = [&](int64_t i, int64_t k0) {
      return a.stride_k != 1 ? piece + i * kPiece : (a.rows ? a.rows[n0 + i] : a.source + (n0 + i) * a.stride_n) + k0;
    };
    const auto for_pieces = [&](const auto& body) {
      for (int64_t k0 = 0; k0 < a.k; k0 += kPiece) {
        const int64_t k = smaller(kPiece, a.k - k0);
        for (int64_t j = 0; a.stride_k != 1 && j < k; ++j) {
          const From* column = a.source + n0 + (k0 + j) * a.stride_k;
          for (int64_t i = 0; i < n; ++i) piece[i * kPiece + j] = column[i];
        }
        for (int64_t i = 0; i < n; ++i) body(i, row_of(i, k0), k0, k);
      }
    };
    for_pieces([&](int64_t i, const From* x, int64_t, int64_t k) {
      const float scale = scale_of(x, k);
      if (!(scale <= scales[i]) && scales[i] == scales[i]) scales[i] = scale;  // NaN stays
    });
    for_pieces([&](int64_t i, const From* x, int64_t k0, int64_t k) {
      int8_t q[kPiece];
      quantise(x, q, k, scales[i], 0);
      int32_t total = 0;
      for (int64_t j = 0; j < k; ++j) {
        panel[((k0 + j) / kStep * kPanel + i) * kStep + (k0 + j) % kStep] = q[j];
        total += q[j];
      }
      if constexpr (kInt8Offset != 0) offsets[i] += kInt8Offset * total;
    });
  }
}
