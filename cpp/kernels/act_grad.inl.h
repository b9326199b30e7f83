// Derivatives of the activations. A functor gives act(x) and act'(x) together: most share their costly part.

struct ValueAndSlope {
  F32 value, slope;
};

FASTPLM_INLINE F32 one() { return F32::set1(1.0f); }

// The normal distribution's density.
template <class P>
FASTPLM_INLINE F32 normal_density(F32 x, P precision) {
  constexpr float kRoot2Pi = 0.3989422804014327f;   // 1 / sqrt(2 pi)
  return F32::set1(kRoot2Pi) * exp2(x * x * F32::set1(-0.5f * kLog2E), precision);
}

template <class P>
FASTPLM_INLINE ValueAndSlope gelu_erf_slope(F32 x, P precision) {
  const F32 cdf = normal_cdf(x, precision);
  return {x * cdf, fma(x, normal_density(x, precision), cdf)};
}

// x sigmoid(z(x)): the slope is s + x s (1 - s) z'.
FASTPLM_INLINE ValueAndSlope times_sigmoid(F32 x, F32 s, F32 z_slope) {
  const F32 y = x * s;
  return {y, fma(y * (one() - s), z_slope, s)};
}

template <class P>
FASTPLM_INLINE ValueAndSlope gelu_tanh_slope(F32 x, P precision) {
  constexpr float kTwoSqrt2OverPi = 1.5957691216057308f, kCubic = 0.044715f;   // as gelu_tanh in math.inl.h
  const F32 square = min(F32::set1(1e8f), x * x);   // beyond, the sigmoid's own slope is 0, and 0 inf is NaN
  const F32 z = x * fma(square, F32::set1(kCubic * kTwoSqrt2OverPi), F32::set1(kTwoSqrt2OverPi));
  const F32 z_slope = fma(square, F32::set1(3 * kCubic * kTwoSqrt2OverPi), F32::set1(kTwoSqrt2OverPi));
  return times_sigmoid(x, sigmoid(z, precision), z_slope);
}

template <class P>
__attribute__((noinline)) static ValueAndSlope rare_slope(Act act, F32 x, P precision) {
  const F32 y = rare_act(act, x, precision);
  switch (act) {
    case Act::kGelu10: return {y, above(F32::set1(10.0f), y, gelu_erf_slope(x, precision).slope)};
    case Act::kHardSwish: {
      const F32 three = F32::set1(3.0f), inner = fma(x, F32::set1(1.0f / 3.0f), F32::set1(0.5f));
      return {y, above(x, F32::set1(-3.0f), above(three, x, inner) + one() - above(three, x, one()))};
    }
    case Act::kLaplace: {
      constexpr float kMean = 0.707107f, kDeviation = 0.282095f;   // as in rare_act
      const F32 z = (x - F32::set1(kMean)) * F32::set1(1.0f / kDeviation);
      return {y, normal_density(z, precision) * F32::set1(1.0f / kDeviation)};
    }
    case Act::kLeakyRelu: return {y, F32::set1(0.01f) + above(x, F32::zero(), F32::set1(0.99f))};
    case Act::kMish: {   // tanh t, t = log(1 + e^x), has the slope (1 - tanh^2 t) sigmoid(x)
      const F32 e = exp2(min(F32::set1(20.0f), x) * F32::set1(kLog2E), precision), n = e * (e + F32::set1(2.0f));
      const F32 t = n / (n + F32::set1(2.0f));
      return {y, fma(x * (one() - t * t), sigmoid(x, precision), t)};
    }
    case Act::kQuickGelu: {
      const F32 factor = F32::set1(1.702f);
      return times_sigmoid(x, sigmoid(x * factor, precision), factor);
    }
    case Act::kRelu2: return {y, F32::set1(2.0f) * relu(x)};
    case Act::kRelu6: return {y, above(x, F32::zero(), above(F32::set1(6.0f), x, one()))};
    case Act::kSigmoid: return {y, y * (one() - y)};
    default: return {y, one()};
  }
}

// Calls body with a function of one vector: act's value and slope.
template <class P, class Body>
FASTPLM_INLINE void with_slope(Act act, P precision, Body body) {
  switch (act) {
    case Act::kNone: return body([](F32 x) { return ValueAndSlope{x, one()}; });
    case Act::kRelu: return body([](F32 x) { return ValueAndSlope{relu(x), above(x, F32::zero(), one())}; });
    case Act::kGeluErf: return body([=](F32 x) { return gelu_erf_slope(x, precision); });
    case Act::kGeluTanh: return body([=](F32 x) { return gelu_tanh_slope(x, precision); });
    case Act::kSilu: return body([=](F32 x) { return times_sigmoid(x, sigmoid(x, precision), one()); });
    default:
      return body([=](F32 x) {
        if (act != Act::kTanh) return rare_slope(act, x, precision);
        const F32 t = F32::set1(2.0f) * sigmoid(x + x, Exact{}) - one();
        return ValueAndSlope{t, one() - t * t};
      });
  }
}

// y = dropout(act(x) * up). Contract: ops/train/gated.h.
template <class T>
static void gated(const GatedArgs<T>& a, Range rows) noexcept {
  with_act(a.act, Precision<T>{}, [&](auto act) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const int64_t at = r * a.dim;
      for_kept(a.dropout, r, a.dim, [&](int64_t i, int n, F32 keep) {
        F32 y = act(load(a.x + at + i, n));
        if (a.up) y = y * load(a.up + at + i, n);
        store(a.y + at + i, y * keep, n);
      });
    }
  });
}

template <class T>
static void gated_grad(const GatedGradArgs<T>& a, Range rows) noexcept {
  with_slope(a.act, Precision<T>{}, [&](auto act) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const int64_t at = r * a.dim;
      for_kept(a.dropout, r, a.dim, [&](int64_t i, int n, F32 keep) {
        const ValueAndSlope here = act(load(a.x + at + i, n));
        F32 dy = load(a.dy + at + i, n) * keep;
        if (a.up) {
          store(a.dup + at + i, dy * here.value, n);
          dy = dy * load(a.up + at + i, n);
        }
        store(a.dx + at + i, dy * here.slope, n);
      });
    }
  });
}

// sums[j] = the sum of x[r, j] over rows.
template <class T>
static void column_sums(const T* x, int64_t dim, Range rows, float* sums) noexcept {
  fill_zero(sums, dim);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for_lanes(dim, [&](int64_t i, int n) { store(sums + i, load(sums + i, n) + load(x + r * dim + i, n), n); });
  }
}
