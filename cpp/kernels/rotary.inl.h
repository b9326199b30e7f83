// Rotary position embedding for training. Contract: ops/train/rotary.h.

// (a, b) of each pair becomes (a c - b s, b c + a s).
template <class T>
FASTPLM_INLINE void rotate(const T* a, const T* b, const float* cosine, const float* sine, F32 sign, int64_t pairs,
                           T* first, T* second) {
  for_lanes(pairs, [&](int64_t i, int n) {
    const F32 x = load(a + i, n), y = load(b + i, n), c = load(cosine + i, n), s = load(sine + i, n) * sign;
    store(first + i, x * c - y * s, n);
    store(second + i, y * c + x * s, n);
  });
}

// The same where a pair's values are neighbours.
template <class T>
static void rotate_neighbours(const T* x, const float* cosine, const float* sine, F32 sign, int64_t pairs, T* y) {
  constexpr int64_t kPairs = 64;   // at a time: they stay in the first-level cache
  float both[2 * kPairs], first[kPairs], second[kPairs];
  for (int64_t p = 0; p < pairs; p += kPairs) {
    const int64_t count = smaller(kPairs, pairs - p);
    convert(x + 2 * p, both, 2 * count);
    for (int64_t i = 0; i < count; ++i) {
      first[i] = both[2 * i];
      second[i] = both[2 * i + 1];
    }
    rotate(first, second, cosine + p, sine + p, sign, count, first, second);
    for (int64_t i = 0; i < count; ++i) {
      both[2 * i] = first[i];
      both[2 * i + 1] = second[i];
    }
    convert(both, y + 2 * p, 2 * count);
  }
}

template <class T>
static void rotary(const RotaryArgs<T>& a, Range rows) noexcept {
  const F32 sign = F32::set1(a.backwards ? -1.0f : 1.0f);
  const int64_t rotated = 2 * a.pairs;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float *cosine = a.cosine + r * a.pairs, *sine = a.sine + r * a.pairs;
    for (int64_t h = 0; h < a.heads; ++h) {
      const T* x = a.x + (r * a.heads + h) * a.head_dim;
      T* y = a.y + (r * a.heads + h) * a.head_dim;
      if (a.interleaved)
        rotate_neighbours(x, cosine, sine, sign, a.pairs, y);
      else
        rotate(x, x + a.pairs, cosine, sine, sign, a.pairs, y, y + a.pairs);
      convert(x + rotated, y + rotated, a.head_dim - rotated);
    }
  }
}
