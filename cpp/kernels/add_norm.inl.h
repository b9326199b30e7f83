// Dropout, residual and norm in one pass over a row, and their gradient. Contract: ops/train/add_norm.h.

template <class T>
static void add_norm(const AddNormArgs<T>& a, Range rows) noexcept {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t at = r * a.dim;
    const T* s = a.sum ? a.sum + at : a.x + at;
    F32 total = F32::zero();
    if (a.sum) {
      for_kept(a.dropout, r, a.dim, [&](int64_t i, int n, F32 keep) {
        F32 v = load(a.x + at + i, n) * keep;
        if (a.residual) v = v + load(a.residual + at + i, n);
        store(a.sum + at + i, v, n);
      });
    }
    float mean = 0.0f;
    if (a.kind == NormKind::kLayer) {   // of the rounded values, which the backward pass will see
      for_lanes(a.dim, [&](int64_t i, int n) { total = total + load(s + i, n); });
      mean = sum(total) / float(a.dim);
    }
    F32 squares = F32::zero();
    for_lanes(a.dim, [&](int64_t i, int n) {
      const F32 d = load(s + i, n) - F32::set1(mean);
      squares = add_first(squares, d * d, n);
    });
    const float scale = 1.0f / sqrt(sum(squares) / float(a.dim) + a.eps);
    a.stats[2 * r] = mean;
    a.stats[2 * r + 1] = scale;
    for_lanes(a.dim, [&](int64_t i, int n) {
      F32 y = (load(s + i, n) - F32::set1(mean)) * F32::set1(scale);
      if (a.weight) y = y * load(a.weight + i, n);
      if (a.bias) y = y + load(a.bias + i, n);
      store(a.y + at + i, y, n);
    });
  }
}

// With n = (s - mean) scale and g = dy weight: ds = scale (g - mean(g) - n mean(g n)), without mean(g) for RMSNorm.
// dweight and dbias [dim] are the sums of dy n and dy over these rows, or null.
template <class T>
static void add_norm_grad(const AddNormGradArgs<T>& a, Range rows, float* dweight, float* dbias) noexcept {
  if (dweight) fill_zero(dweight, a.dim);
  if (dbias) fill_zero(dbias, a.dim);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t at = r * a.dim;
    const F32 mean = F32::set1(a.stats[2 * r]), scale = F32::set1(a.stats[2 * r + 1]);
    F32 sum_g = F32::zero(), sum_gn = F32::zero();
    for_lanes(a.dim, [&](int64_t i, int n) {
      const F32 dy = load(a.dy + at + i, n), normal = (load(a.sum + at + i, n) - mean) * scale, by_weight = dy * normal;
      const F32 weight = a.weight ? load(a.weight + i, n) : F32::set1(1.0f);
      if (dweight) store(dweight + i, load(dweight + i, n) + by_weight, n);
      if (dbias) store(dbias + i, load(dbias + i, n) + dy, n);
      sum_g = add_first(sum_g, dy * weight, n);
      sum_gn = add_first(sum_gn, by_weight * weight, n);
    });
    const float of_mean = a.kind == NormKind::kLayer ? sum(sum_g) / float(a.dim) : 0.0f;
    const F32 first = F32::set1(of_mean), second = F32::set1(sum(sum_gn) / float(a.dim));
    for_kept(a.dropout, r, a.dim, [&](int64_t i, int n, F32 keep) {
      const F32 normal = (load(a.sum + at + i, n) - mean) * scale;
      F32 g = load(a.dy + at + i, n);
      if (a.weight) g = g * load(a.weight + i, n);
      F32 d = scale * (g - first - normal * second);
      if (a.dsum) d = d + load(a.dsum + at + i, n);
      store(a.dresidual + at + i, d, n);
      if (a.dx) store(a.dx + at + i, d * keep, n);
    });
  }
}
