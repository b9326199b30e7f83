// Cross-entropy of rows of logits. Contract: ops/train/loss.h.

template <class T>
static float value_of(const T* x) {
  float v;
  store(&v, load(x, 1), 1);
  return v;
}

template <class T>
static float largest_logit(const T* x, int64_t n) {
  F32 top = F32::set1(-__builtin_inff());
  int64_t i = 0;
  for (; i + F32::kLanes <= n; i += F32::kLanes) top = max(load(x + i), top);
  float result = largest(top);
  for (; i < n; ++i) result = value_of(x + i) > result ? value_of(x + i) : result;
  return result;
}

// The natural logarithm of x >= 1; NaN and infinity stay.
static float log_of(float x) {
  if (!(x < __builtin_inff())) return x;
  const double value = double(x);
  uint64_t bits;
  __builtin_memcpy(&bits, &value, 8);
  const int exponent = int(bits >> 52) - 1023;
  bits = (bits & 0xfffffffffffff) | uint64_t(1023) << 52;
  double m;
  __builtin_memcpy(&m, &bits, 8);   // 1 <= m < 2: log m = 2 artanh(t), t = (m - 1) / (m + 1) <= 1/3
  const double t = (m - 1.0) / (m + 1.0), u = t * t;
  double series = 1.0 / 19.0;   // up to t^19: an error below 1e-10
  for (int i = 17; i > 0; i -= 2) series = series * u + 1.0 / i;
  return float(2.0 * t * series + 0.6931471805599453 * exponent);
}

template <class T>
static void cross_entropy(const LossArgs<T>& a, Range rows) noexcept {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t label = a.labels[r];
    if (label == a.ignored) {
      a.losses[r] = a.lse[r] = 0.0f;
      continue;
    }
    const T* x = a.logits + r * a.vocab;
    const float top = largest_logit(x, a.vocab);
    const F32 shift = F32::set1(-top * kLog2E), scale = F32::set1(kLog2E);
    F32 total = F32::zero(), plain = F32::zero();
    for_lanes(a.vocab, [&](int64_t i, int n) {
      const F32 v = load(x + i, n);
      total = add_first(total, exp2(fma(v, scale, shift), Exact{}), n);
      plain = plain + v;
    });
    const float lse = top + log_of(sum(total));
    float loss = lse - (1.0f - a.smoothing) * value_of(x + label);
    if (a.smoothing > 0) loss -= a.smoothing * (sum(plain) / float(a.vocab));
    a.losses[r] = loss + a.z * lse * lse;
    a.lse[r] = lse;
  }
}

template <class T>
static void cross_entropy_grad(const LossGradArgs<T>& a, Range rows) noexcept {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t label = a.labels[r];
    T* dx = a.grad + r * a.vocab;
    if (label == a.ignored) {
      fill_zero(dx, a.vocab);
      continue;
    }
    const T* x = a.logits + r * a.vocab;
    const float own = value_of(x + label), lse = a.lse[r], dloss = a.dlosses[r];
    const F32 shift = F32::set1(-lse * kLog2E), scale = F32::set1(kLog2E);
    const F32 factor = F32::set1(dloss * (1.0f + 2.0f * a.z * lse));
    const F32 even = F32::set1(-dloss * a.smoothing / float(a.vocab));
    for_lanes(a.vocab, [&](int64_t i, int n) {
      store(dx + i, fma(exp2(fma(load(x + i, n), scale, shift), Exact{}), factor, even), n);
    });
    const F32 p = exp2(fma(F32::set1(own), scale, shift), Exact{});   // from x, which dx may have overwritten
    store(dx + label, fma(p, factor, even) - F32::set1(dloss * (1.0f - a.smoothing)), 1);
  }
}
