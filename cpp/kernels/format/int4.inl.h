// Weights in four bits: q of 0 to 15 stands for  scale (q - zero).  kGroup values of a row of the matrix share a scale
// (f16, as GPTQ's and AWQ's checkpoints have them) and, with kZeros, a zero; else zero is 8. The same places of a row
// of activations are rounded to int8 as they are packed, with a scale of their own. Products and their sums over a
// group are exact integers, so that
//   y = sum over groups, in order, of  float(sum of (q - zero) a) * (weights' scale * activations' scale)
// has the same bits on every ISA. What a k that is no multiple of kGroup lacks counts as activations of 0.
//
// A panel is for each group [kGroup / 8][panel][4] of bytes, whose low halves are four values of k and whose high
// halves are the next four; then its columns' scales and zeros, both f16.
template <int kGroup, bool kZeros>
struct Int4Format {
  using Activation = bf16;
  using Row = int8_t;
  using Weight = uint8_t;
  using Sum = float;
  using Values = FloatFormat<bf16>;
  static constexpr int64_t kPanel = FloatTiles<bf16>::kPanel;
  static constexpr int64_t kLine = kGroup, kPitch = kGroup + 2 * int64_t(sizeof(float));   // then its scale and sum
  static constexpr int64_t kNumbers = kPanel * int64_t(sizeof(f16));
  static constexpr int64_t kHalves = kPanel * kGroup / 2, kGroupBytes = kHalves + (kZeros ? 2 : 1) * kNumbers;
  static constexpr CodeLayout kCodes{.bits = 4, .group = kGroup, .zeros = kZeros, .scale = DType::kF16};
  static constexpr int64_t kMaxK = int64_t(1) << 31;

  static int64_t panel_bytes(int64_t k) noexcept { return round_up(groups_of(k) * kGroupBytes, 64); }
  template <class From>
  static void pack(const PackArgs<From>& a, Range panels) noexcept;
  static void pack_codes(const CodesArgs& a, Range panels) noexcept;
  static void unpack_codes(const CodesArgs& a, Range panels) noexcept;

  static constexpr bool kRowScales = false;   // each line has its own
  static void pack_row(const bf16* from, int8_t* to, int64_t count, float) {
    float numbers[2] = {Int8Format::scale_of(from, count), 0.0f};
    for (int64_t i = 0; i < count; i += 32)
      Int8Format::quantise(from + i, to + i, smaller(32, count - i), numbers[0], 0);
    int32_t total = 0;
    for (int64_t i = 0; i < count; ++i) total += to[i];
    numbers[1] = float(total);
    __builtin_memcpy(to + kGroup, numbers, sizeof(numbers));
  }

 private:
  static int64_t groups_of(int64_t k) { return (k + kGroup - 1) / kGroup; }

  // One group of one panel.
  struct Group {
    uint8_t* halves;
    f16 *scales, *zeros;

    Group(void* panels, int64_t p, int64_t k, int64_t group)
        : halves(static_cast<uint8_t*>(panels) + p * panel_bytes(k) + group * kGroupBytes),
          scales((f16*)(halves + kHalves)),
          zeros(kZeros ? scales + kPanel : nullptr) {}

    uint8_t& byte_of(int64_t column, int64_t k) const { return halves[(k / 8 * kPanel + column) * 4 + k % 4]; }
    void write(int64_t column, int64_t k, int code) const { byte_of(column, k) |= uint8_t(code << k % 8 / 4 * 4); }
    int read(int64_t column, int64_t k) const { return byte_of(column, k) >> k % 8 / 4 * 4 & 15; }
  };

  // The rounding of a group, x[k][panel], to codes q[k][panel]: of several scales the one that leaves the least error.
  static void choose(const float* x, const Group& to, float* q);
  FASTPLM_INLINE F32 code_of(F32 x, F32 inverse, F32 zero) {   // the first maximum is for NaN
    return min(max(round(x * inverse) + zero, F32::zero()), F32::set1(15.0f));
  }
  FASTPLM_INLINE F32 inverse_of(F32 scale) {   // 0 where a group is so small that it would not be finite
    const F32 size = max(scale, F32::zero() - scale);
    return above(size, F32::set1(0x1p-120f), F32::set1(1.0f) / scale);
  }
};

// Register tiles: a group of a panel is brought to bytes once for all rows.
template <int kGroup, bool kZeros>
struct Tiles<Int4Format<kGroup, kZeros>> {
  using F = Int4Format<kGroup, kZeros>;
  static constexpr int64_t kRows = kTileRows, kPanel = F::kPanel, kStep = kGroup;
  struct Scope {};

  FASTPLM_INLINE int64_t depth(int64_t k) { return k; }

  FASTPLM_INLINE void run_block(Scope&, int64_t rows, const int8_t* a, int64_t k, const uint8_t* panel, float* c,
                                int64_t ldc, bool, Fetch fetch) {
    for_rows<kRows>(rows, a, k / kGroup, panel, c, ldc, fetch);
  }

 private:
  template <int kCount>
  FASTPLM_INLINE void for_rows(int64_t rows, const int8_t* a, int64_t groups, const uint8_t* panel, float* c,
                               int64_t ldc, Fetch fetch) {
    if (rows == kCount) return multiply<kCount>(a, groups, panel, c, ldc, fetch);
    if constexpr (kCount > 1) for_rows<kCount - 1>(rows, a, groups, panel, c, ldc, fetch);
  }

  template <int kCount>
  static void multiply(const int8_t* a, int64_t groups, const uint8_t* panel, float* c, int64_t ldc, Fetch fetch) {
    constexpr int kVectors = int(kPanel / F32::kLanes);
    constexpr int64_t kAhead = 8 * F::kGroupBytes;
    F32 sums[kCount][kVectors];
    for (int r = 0; r < kCount; ++r) {
      for (int v = 0; v < kVectors; ++v) sums[r][v] = F32::zero();
    }
    for (int64_t g = 0; g < groups; ++g, panel += F::kGroupBytes, a += kRows * F::kPitch) {
      fetch.prefetch_next();
      const f16* numbers = (const f16*)(panel + F::kHalves);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) {
        I32 group[kCount];
#pragma GCC unroll 4
        for (int part = 0; part < kGroup / 32; ++part) {
          Int4s b[8];
#pragma GCC unroll 4
          for (int j = 0; j < 4; ++j) {
            const uint8_t* from = panel + ((part * 4 + j) * kPanel + v * F32::kLanes) * 4;
            __builtin_prefetch(from + kAhead);
            load_int4s(from, b[2 * j], b[2 * j + 1]);
          }
#pragma GCC unroll 8
          for (int r = 0; r < kCount; ++r) {
            const int8_t* row = a + r * F::kPitch + part * 32;
            Int4Sums dots = Int4Sums::zero();
#pragma GCC unroll 8
            for (int i = 0; i < 8; ++i) dots = dot(b[i], broadcast_quad(row + 4 * i), dots);
            group[r] = part == 0 ? whole(dots) : group[r] + whole(dots);
          }
        }
        const F32 scale = load(numbers + v * F32::kLanes);
        const F32 zero = kZeros ? load(numbers + kPanel + v * F32::kLanes) : F32::set1(8.0f);
#pragma GCC unroll 8
        for (int r = 0; r < kCount; ++r) {
          float own[2];   // of the row: scale and sum
          __builtin_memcpy(own, a + r * F::kPitch + kGroup, sizeof(own));
          const F32 value = to_f32(group[r]) - zero * F32::set1(own[1]);
          sums[r][v] = sums[r][v] + value * (scale * F32::set1(own[0]));
        }
      }
    }
    for (int r = 0; r < kCount; ++r) {
      for (int v = 0; v < kVectors; ++v) store(c + r * ldc + v * F32::kLanes, sums[r][v]);
    }
  }
};

template <int kGroup, bool kZeros>
void Int4Format<kGroup, kZeros>::choose(const float* x, const Group& to, float* q) {
  // Where the value of the largest magnitude comes to lie, in steps from 0, and what is left of a group's range: with
  // more than 8 steps, or less than the range, the outermost values are cut off and the others rounded finer.
  constexpr float kSteps[] = {8.0f, 7.0f, 7.5f, 8.5f, 9.0f, 9.5f};
  constexpr float kRanges[] = {1.0f, 0.95f, 0.9f, 0.85f, 0.8f};
  constexpr int kTries = kZeros ? 5 : 6;
  const F32 none = F32::zero();
  for (int64_t v = 0; v < kPanel; v += F32::kLanes) {
    const float* column = x + v;
    F32 top = none, low = none, bad = none;
    for (int64_t j = 0; j < kGroup; ++j) {
      const F32 value = load(column + j * kPanel);
      top = max(value, top);
      low = min(value, low);
      bad = bad + (value - value);
    }
    const F32 positive = above(top, none - low, top), most = positive + (low - above(top, none - low, low));
    F32 best = none, best_zero = F32::set1(8.0f), least = none;
    for (int t = 0; t < kTries; ++t) {
      F32 scale, zero = F32::set1(8.0f);
      if constexpr (kZeros) {
        scale = (top - low) * F32::set1(kRanges[t] / 15.0f);
        zero = code_of((none - low) * F32::set1(kRanges[t]), inverse_of(scale), none);
      } else {
        scale = most * F32::set1(-1.0f / kSteps[t]);
      }
      const F32 inverse = inverse_of(scale);
      F32 error = none;
      for (int64_t j = 0; j < kGroup; ++j) {
        const F32 value = load(column + j * kPanel);
        const F32 left = value - scale * (code_of(value, inverse, zero) - zero);
        error = error + left * left;
      }
      const auto better = [&](F32 a, F32 b) {   // a where the error is less than the least until now, else b
        return above(least, error, a) + (b - above(least, error, b));
      };
      best = t == 0 ? scale : better(scale, best);
      best_zero = t == 0 ? zero : better(zero, best_zero);
      least = t == 0 ? error : better(error, least);
    }
    store(to.scales + v, best + bad);
    if constexpr (kZeros) store(to.zeros + v, best_zero);
    const F32 inverse = inverse_of(load(to.scales + v));   // as it is stored
    for (int64_t j = 0; j < kGroup; ++j)
      store(q + j * kPanel + v, code_of(load(column + j * kPanel), inverse, best_zero));
  }
}

template <int kGroup, bool kZeros>
template <class From>
void Int4Format<kGroup, kZeros>::pack(const PackArgs<From>& a, Range panels) noexcept {
  float rows[kPanel * kGroup], x[kGroup * kPanel], q[kGroup * kPanel];
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const int64_t n0 = p * kPanel, n = smaller(kPanel, a.n - n0);
    __builtin_memset(static_cast<char*>(a.panels) + p * panel_bytes(a.k), 0, uint64_t(panel_bytes(a.k)));
    for (int64_t g = 0; g < groups_of(a.k); ++g) {
      const Group group(a.panels, p, a.k, g);
      const int64_t k0 = g * kGroup, k = smaller(kGroup, a.k - k0);
      read_rows(a, n0, n, k0, k, rows, kGroup);
      fill_zero(x, kGroup * kPanel);
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < k; ++j) x[j * kPanel + i] = rows[i * kGroup + j];
      }
      choose(x, group, q);
      for (int64_t j = 0; j < k; ++j) {
        for (int64_t i = 0; i < n; ++i) group.write(i, j, int(q[j * kPanel + i]));
      }
    }
  }
}

template <int kGroup, bool kZeros>
void Int4Format<kGroup, kZeros>::pack_codes(const CodesArgs& a, Range panels) noexcept {
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const int64_t n0 = p * kPanel, n = smaller(kPanel, a.n - n0);
    __builtin_memset(static_cast<char*>(a.panels) + p * panel_bytes(a.k), 0, uint64_t(panel_bytes(a.k)));
    for (int64_t g = 0; g < groups_of(a.k); ++g) {
      const Group group(a.panels, p, a.k, g);
      for (int64_t i = 0; i < n; ++i) {
        const auto* codes = static_cast<const uint8_t*>(a.codes[n0 + i]);
        __builtin_memcpy(group.scales + i, static_cast<const f16*>(a.scales[n0 + i]) + g, sizeof(f16));
        for (int64_t j = 0, k = g * kGroup; j < kGroup && k < a.k; ++j, ++k)
          group.write(i, j, codes[k / 2] >> k % 2 * 4 & 15);
      }
      if constexpr (kZeros) {
        float zeros[kPanel] = {};
        for (int64_t i = 0; i < n; ++i) zeros[i] = static_cast<const uint8_t*>(a.zeros[n0 + i])[g];
        for (int64_t v = 0; v < kPanel; v += F32::kLanes) store(group.zeros + v, load(zeros + v));
      }
    }
  }
}

template <int kGroup, bool kZeros>
void Int4Format<kGroup, kZeros>::unpack_codes(const CodesArgs& a, Range panels) noexcept {
  for (int64_t p = panels.begin; p < panels.end; ++p) {
    const int64_t n0 = p * kPanel, n = smaller(kPanel, a.n - n0);
    for (int64_t i = 0; i < n; ++i) __builtin_memset(a.codes[n0 + i], 0, uint64_t(a.k + 1) / 2);
    for (int64_t g = 0; g < groups_of(a.k); ++g) {
      const Group group(a.panels, p, a.k, g);
      for (int64_t i = 0; i < n; ++i) {
        auto* codes = static_cast<uint8_t*>(a.codes[n0 + i]);
        __builtin_memcpy(static_cast<f16*>(a.scales[n0 + i]) + g, group.scales + i, sizeof(f16));
        for (int64_t j = 0, k = g * kGroup; j < kGroup && k < a.k; ++j, ++k)
          codes[k / 2] |= uint8_t(group.read(i, j) << k % 2 * 4);
      }
      if constexpr (kZeros) {
        float zeros[kPanel];
        for (int64_t v = 0; v < kPanel; v += F32::kLanes) store(zeros + v, load(group.zeros + v));
        for (int64_t i = 0; i < n; ++i) static_cast<uint8_t*>(a.zeros[n0 + i])[g] = uint8_t(zeros[i]);
      }
    }
  }
}
