// RMSNorm of heads, in place. Contract: ops/norm.h.
template <class T>
static void head_norm(const HeadNormArgs<T>& a, Range rows) noexcept {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (int64_t h = 0; h < a.heads; ++h) {
      T* x = a.x + r * a.ldx + h * a.dim;
      F32 squares = F32::zero();
      for_lanes(a.dim, [&](int64_t i, int n) {
        const F32 v = load(x + i, n);
        squares = n == F32::kLanes ? fma(v, v, squares) : add_first(squares, v * v, n);
      });
      const F32 scale = F32::set1(1.0f / sqrt(sum(squares) / float(a.dim) + a.eps));
      for_lanes(a.dim, [&](int64_t i, int n) { store(x + i, load(x + i, n) * scale * load(a.weight + i, n), n); });
    }
  }
}
