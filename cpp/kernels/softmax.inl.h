// Softmax rows. Contract: ops/softmax.h.
static void softmax(const SoftmaxArgs& a, Range rows) noexcept {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* x = a.x + r * a.dim;
    float* y = a.y + r * a.dim;
    const float top = largest_of(x, a.dim);
    F32 total = F32::zero();
    for_lanes(a.dim, [&](int64_t i, int n) {
      const F32 e = exp2((load(x + i, n) - F32::set1(top)) * F32::set1(kLog2E), Exact{});
      total = add_first(total, e, n);
      store(y + i, e, n);
    });
    const F32 scale = F32::set1(1.0f / sum(total));
    for_lanes(a.dim, [&](int64_t i, int n) { store(y + i, load(y + i, n) * scale, n); });
  }
}
