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
  using Values = Int8Format;
  static constexpr int64_t kLine = kLineOf<Row>, kPitch = kLine;
  static constexpr CodeLayout kCodes{.bits = 8};
  static constexpr int64_t kStep = kInt8Step;
  static constexpr int kLargestCode = 127;  // the same on both sides of zero
  static constexpr int64_t kMaxK = 0x7fffffff / (128 * kLargestCode);  // 128: the largest offset that an ISA has

  using Lanes = Int8s;
  FASTPLM_INLINE Int8s load_panel(const int8_t* p) { return load_int8s(p); }
  FASTPLM_INLINE Int8s broadcast(const Row* p) { return broadcast_int8s(p); }
  FASTPLM_INLINE I32 multiply_add(Int8s row, Int8s panel, I32 c) { return dot(row, panel, c); }

  static int64_t panel_bytes(int64_t k) noexcept;
  template <class From>
  static void pack(const PackArgs<From>& a, Range panels) noexcept;
  static void pack_codes(const CodesArgs& a, Range panels) noexcept;
  static void unpack_codes(const CodesArgs& a, Range panels) noexcept;

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
    const float scale = largest(top) / float(kLargestCode);
    return (scale < 0x1p-120f ? 0.0f : scale) + sum(bad);
  }

  // x / scale to the nearest even integer. n <= 64.
  template <class From, class To>
  FASTPLM_INLINE void quantise(const From* x, To* q, int64_t n, float scale, int offset) {
    float rounded[64];
    const F32 inverse = F32::set1(scale > 0.0f ? 1.0f / scale : 0.0f);
    for_lanes(n, [&](int64_t i, int count) {  // the maximum is for NaN
      store(rounded + i, max(round(load(x + i, count) * inverse), F32::set1(float(-kLargestCode))), count);
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

// One panel of a matrix.
struct Int8Panel {
  static constexpr int64_t kPanel = Int8Tiles::kPanel, kStep = Int8Format::kStep;

  int8_t* values;
  float* scales;
  int32_t* offsets;

  Int8Panel(void* panels, int64_t p, int64_t k)
      : values(static_cast<int8_t*>(panels) + p * Int8Format::panel_bytes(k)),
        scales((float*)(values + kPanel * round_up(k, Int8Tiles::kStep))),
        offsets((int32_t*)(scales + kPanel)) {}

  int8_t& at(int64_t column, int64_t k) const { return values[(k / kStep * kPanel + column) * kStep + k % kStep]; }

  void write(int64_t column, int64_t k0, int64_t k, const int8_t* codes) const {
    int32_t total = 0;
    for (int64_t j = 0; j < k; ++j) {
      at(column, k0 + j) = codes[j];
      total += codes[j];
    }
    if constexpr (kInt8Offset != 0) offsets[column] += kInt8Offset * total;
  }
};

template <class From>
void Int8Format::pack(const PackArgs<From>& a, Range panels) noexcept {
  constexpr int64_t kPanel = Int8Tiles::kPanel, kPiece = 64;
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const int64_t n0 = p * kPanel, n = smaller(kPanel, a.n - n0);
    const Int8Panel panel(a.panels, p, a.k);
    __builtin_memset(panel.values, 0, uint64_t(panel_bytes(a.k)));
    float piece[kPanel * kPiece];
    const auto for_pieces = [&](const auto& body) {
      for (int64_t k0 = 0; k0 < a.k; k0 += kPiece) {
        const int64_t k = smaller(kPiece, a.k - k0);
        read_rows(a, n0, n, k0, k, piece, kPiece);
        for (int64_t i = 0; i < n; ++i) body(i, piece + i * kPiece, k0, k);
      }
    };
    for_pieces([&](int64_t i, const float* x, int64_t, int64_t k) {
      float& largest = panel.scales[i];
      const float scale = scale_of(x, k);
      if (!(scale <= largest) && largest == largest) largest = scale;  // NaN stays
    });
    for_pieces([&](int64_t i, const float* x, int64_t k0, int64_t k) {
      int8_t q[kPiece];
      quantise(x, q, k, panel.scales[i], 0);
      panel.write(i, k0, k, q);
    });
  }
}

void Int8Format::pack_codes(const CodesArgs& a, Range panels) noexcept {
  constexpr int64_t kPanel = Int8Tiles::kPanel;
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const Int8Panel panel(a.panels, p, a.k);
    __builtin_memset(panel.values, 0, uint64_t(panel_bytes(a.k)));
    for (int64_t i = 0; i < kPanel && p * kPanel + i < a.n; ++i) {
      __builtin_memcpy(panel.scales + i, a.scales[p * kPanel + i], sizeof(float));
      panel.write(i, 0, a.k, static_cast<const int8_t*>(a.codes[p * kPanel + i]));
    }
  }
}

void Int8Format::unpack_codes(const CodesArgs& a, Range panels) noexcept {
  constexpr int64_t kPanel = Int8Tiles::kPanel;
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const Int8Panel panel(a.panels, p, a.k);
    for (int64_t i = 0; i < kPanel && p * kPanel + i < a.n; ++i) {
      __builtin_memcpy(a.scales[p * kPanel + i], panel.scales + i, sizeof(float));
      int8_t* codes = static_cast<int8_t*>(a.codes[p * kPanel + i]);
      for (int64_t j = 0; j < a.k; ++j) codes[j] = panel.at(i, j);
    }
  }
}
