// One vector out of a sequence's token vectors. Contract: ops/pool.h.
static void pool(const PoolArgs& a) noexcept {
  const int64_t last = a.length - 1;
  const float scale = a.kind == PoolKind::kMean             ? 1.0f / float(larger(a.length, 1))
                      : a.kind == PoolKind::kMeanSqrtLength ? 1.0f / sqrt(float(larger(a.length, 1)))
                                                            : 1.0f;
  F32 squares = F32::zero();
  for_lanes(a.dim, [&](int64_t i, int n) {
    F32 y = F32::zero();
    if (a.length > 0) {
      y = load(a.x + (a.kind == PoolKind::kLast ? last : 0) * a.dim + i, n);
      if (a.kind != PoolKind::kCls && a.kind != PoolKind::kLast) {
        for (int64_t r = 1; r < a.length; ++r) {
          const F32 x = load(a.x + r * a.dim + i, n);
          y = a.kind == PoolKind::kMax ? max(x, y) : y + x;
        }
      }
    }
    y = y * F32::set1(scale);
    squares = add_first(squares, y * y, n);
    store(a.y + i, y, n);
  });
  if (!a.normalize) return;
  const float norm = sqrt(sum(squares));
  const F32 divisor = F32::set1(norm < 1e-12f ? 1e-12f : norm);  // torch.nn.functional.normalize's eps; NaN stays NaN
  for_lanes(a.dim, [&](int64_t i, int n) { store(a.y + i, load(a.y + i, n) / divisor, n); });
}
