// Rotary position embedding. Contract: ops/rope.h.
template <class T>
static void rope(const RopeArgs<T>& a, Range rows) noexcept {
  const int64_t half = a.dims / 2;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* cosine = a.cos_sin + int64_t(a.position_ids[r]) * a.dims;
    const float* sine = cosine + half;
    for (int64_t h = 0; h < a.heads; ++h) {
      T *first = a.x + r * a.ldx + h * a.head_dim, *second = first + half;
      for_lanes(half, [&](int64_t i, int n) {
        const F32 x = load(first + i, n), y = load(second + i, n), c = load(cosine + i, n), s = load(sine + i, n);
        store(first + i, x * c - y * s, n);
        store(second + i, y * c + x * s, n);
      });
    }
  }
}
