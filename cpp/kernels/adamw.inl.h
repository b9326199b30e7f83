// Adam with decoupled weight decay on some values of one parameter. Contract: ops/train/adamw.h.
template <class P, class S>
static void adamw(const AdamWArgs<P, S>& a, Range values) noexcept {
  const F32 decay = F32::set1(a.decay), beta1 = F32::set1(a.beta1), beta2 = F32::set1(a.beta2);
  const F32 rest1 = F32::set1(a.rest1), rest2 = F32::set1(a.rest2);
  const F32 step = F32::set1(-a.step_size), root = F32::set1(a.root_factor), eps = F32::set1(a.eps);
  const F32 scale = F32::set1(a.grad_scale);
  for_lanes(values.size(), [&](int64_t i, int n) {
    const int64_t at = values.begin + i;
    const F32 g = load(a.grad + at, n) * scale;
    const F32 m = fma(load(a.mean + at, n), beta1, g * rest1);
    const F32 v = fma(load(a.square + at, n), beta2, g * g * rest2);
    F32 p = (a.master ? load(a.master + at, n) : load(a.param + at, n)) * decay;
    p = fma(step, m / fma(sqrt(v), root, eps), p);
    store(a.mean + at, m, n);
    store(a.square + at, v, n);
    store(a.param + at, p, n);
    if (a.master) store(a.master + at, p, n);
  });
}

// In four chains, so that it takes as long as reading.
template <class T>
static double sum_squares(const T* x, int64_t n) noexcept {
  constexpr int kChains = 4;
  F32 sums[kChains] = {F32::zero(), F32::zero(), F32::zero(), F32::zero()};
  int64_t i = 0;
  for (; i + kChains * F32::kLanes <= n; i += kChains * F32::kLanes) {
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) {
      const F32 v = load(x + i + c * F32::kLanes);
      sums[c] = fma(v, v, sums[c]);
    }
  }
  for_lanes(n - i, [&](int64_t j, int count) {
    const F32 v = load(x + i + j, count);
    sums[0] = fma(v, v, sums[0]);
  });
  return double(sum((sums[0] + sums[1]) + (sums[2] + sums[3])));
}
