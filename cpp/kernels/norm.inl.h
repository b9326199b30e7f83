// LayerNorm and RMSNorm rows. Contract: ops/norm.h.
template <class T>
static void norm(const NormArgs<T>& a, Range rows) noexcept {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* x = a.x + r * a.dim;
    float mean = 0.0f;
    if (a.kind == NormKind::kLayer) {
      F32 total = F32::zero();
      for_lanes(a.dim, [&](int64_t i, int n) { total = total + load(x + i, n); });
      mean = sum(total) / float(a.dim);
    }
    F32 squares = F32::zero();
    for_lanes(a.dim, [&](int64_t i, int n) {
      const F32 d = load(x + i, n) - F32::set1(mean);
      squares = n == F32::kLanes ? fma(d, d, squares) : add_first(squares, d * d, n);
    });
    const F32 scale = F32::set1(1.0f / sqrt(sum(squares) / float(a.dim) + a.eps));
    for_lanes(a.dim, [&](int64_t i, int n) {
      F32 y = (load(x + i, n) - F32::set1(mean)) * scale;
      if (a.weight) y = y * load(a.weight + i, n);
      if (a.bias) y = y + load(a.bias + i, n);
      if (a.y_f32) store(a.y_f32 + r * a.dim + i, y, n);
      if (a.y) store(a.y + r * a.dim + i, y, n);
    });
  }
}
