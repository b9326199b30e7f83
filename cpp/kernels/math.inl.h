// Elementary functions on vectors. Polynomials: scripts/fit_polynomials.py, which prints these constants.

// What a function's result is rounded to next decides how exact it must be.
struct Exact {};   // f32: an error near 1 ulp of f32
struct Rough {};   // bf16 (8 significant bits): relative error 1e-4
template <class T>
struct PrecisionOf {
  using type = Exact;
};
template <>
struct PrecisionOf<bf16> {
  using type = Rough;
};
template <class T>
using Precision = typename PrecisionOf<T>::type;

template <int kCount>
FASTPLM_INLINE F32 horner(const float (&c)[kCount], F32 x) {
  F32 y = F32::set1(c[kCount - 1]);
#pragma GCC unroll 16
  for (int i = kCount - 2; i >= 0; --i) y = fma(y, x, F32::set1(c[i]));
  return y;
}

// 2^x for x up to 400. Relative error 2e-9 and the rounding of six steps; 0 for what is far below, NaN for NaN.
FASTPLM_INLINE F32 exp2(F32 x, Exact) {
  constexpr float kCoefficients[] = {1.0f,
                                     0.6931471824645996f,
                                     0.24022646248340607f,
                                     0.05550328642129898f,
                                     0.009618489071726799f,
                                     0.0013399930903688073f,
                                     0.00015345810970757157f};
  const F32 clamped = max(F32::set1(-400.0f), x);   // keeps x - n exact
  const F32 n = round(clamped);
  return scale2(horner(kCoefficients, clamped - n), n);
}

// The same. Relative error 7.5e-5.
FASTPLM_INLINE F32 exp2(F32 x, Rough) {
  constexpr float kCoefficients[] = {0.9999280571937561f, 0.6932609677314758f, 0.2426111251115799f,
                                     0.0551716648042202f};
  const F32 clamped = max(F32::set1(-400.0f), x);
  const F32 n = round(clamped);
  return scale2(horner(kCoefficients, clamped - n), n);
}

constexpr float kLog2E = 1.44269504088896341f;

template <class P>
FASTPLM_INLINE F32 sigmoid(F32 x, P precision) {
  return F32::set1(1.0f) / (F32::set1(1.0f) + exp2(min(F32::set1(400.0f), x * F32::set1(-kLog2E)), precision));
}

// Phi(x) = (1 + erf(x / sqrt 2)) / 2 = 1/2 + x q(u) with u = 2 (x / limit)^2 - 1 for |x| <= limit,
// q fitted so that Phi(limit) = 1. Clamping keeps Phi at 0 and 1 beyond, and NaN stays NaN.
template <int kCount>
FASTPLM_INLINE F32 normal_cdf(F32 x, float limit, const float (&q)[kCount]) {
  const F32 c = min(F32::set1(limit), max(F32::set1(-limit), x));
  const F32 u = fma(c * c, F32::set1(2.0f / (limit * limit)), F32::set1(-1.0f));
  return fma(c, horner(q, u), F32::set1(0.5f));
}

FASTPLM_INLINE F32 normal_cdf(F32 x, Exact) {   // absolute error of x Phi(x): 8e-7
  constexpr float kQ[] = {0.1285519301891327f,   -0.06417247653007507f,  0.047736965119838715f, -0.038787245750427246f,
                          0.0320822037756443f,   -0.02611265331506729f,  0.02028489299118519f,  -0.014670667238533497f,
                          0.010478317737579346f, -0.007675941102206707f, 0.004220886155962944f, -0.001228300970979035f,
                          0.001036033732816577f, -0.00136919307988137f,  0.0005343325901776552f};
  return normal_cdf(x, 5.5f, kQ);
}

FASTPLM_INLINE F32 normal_cdf(F32 x, Rough) {   // the same: 1.3e-4
  constexpr float kQ[] = {0.17594346404075623f,   -0.08439096063375473f,  0.05616923049092293f,
                          -0.036268722265958786f, 0.021170619875192642f,  -0.013559729792177677f,
                          0.008619599975645542f,  -0.0026835014577955008f};
  return normal_cdf(x, 4.0f, kQ);
}

template <class P>
FASTPLM_INLINE F32 gelu_erf(F32 x, P precision) {
  return x * normal_cdf(x, precision);
}

// 0.5 x (1 + tanh(z)) = x sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3). arXiv:1606.08415.
template <class P>
FASTPLM_INLINE F32 gelu_tanh(F32 x, P precision) {
  constexpr float kTwoSqrt2OverPi = 1.5957691216057308f;
  const F32 z = x * fma(x * x, F32::set1(0.044715f * kTwoSqrt2OverPi), F32::set1(kTwoSqrt2OverPi));
  return x * sigmoid(z, precision);
}

// x tanh(log(1 + e^x)) = x n / (n + 2), n = e^x (e^x + 2); from 20 on the quotient is 1, and later n overflows.
// arXiv:1908.08681.
template <class P>
FASTPLM_INLINE F32 mish(F32 x, P precision) {
  const F32 e = exp2(min(F32::set1(20.0f), x) * F32::set1(kLog2E), precision), n = e * (e + F32::set1(2.0f));
  return x * (n / (n + F32::set1(2.0f)));
}

FASTPLM_INLINE F32 tanh(F32 x) { return F32::set1(2.0f) * sigmoid(x + x, Exact{}) - F32::set1(1.0f); }
FASTPLM_INLINE F32 relu(F32 x) { return max(F32::zero(), x); }   // NaN stays NaN
FASTPLM_INLINE F32 relu6(F32 x) { return min(F32::set1(6.0f), relu(x)); }

// The activations that few models have: one function that asks for each vector which it is, since every further
// function in with_act is one more copy of all loops around it.
template <class P>
__attribute__((noinline)) static F32 rare_act(Act act, F32 x, P precision) {
  switch (act) {
    case Act::kGelu10: return min(F32::set1(10.0f), gelu_erf(x, precision));   // gelu never comes near -10
    case Act::kHardSwish: return x * (relu6(x + F32::set1(3.0f)) * F32::set1(1.0f / 6.0f));
    case Act::kLaplace:   // the normal distribution's with this mean and deviation. arXiv:2209.10655
      return normal_cdf((x - F32::set1(0.707107f)) * F32::set1(1.0f / 0.282095f), precision);
    case Act::kLeakyRelu: return max(x * F32::set1(0.01f), x);
    case Act::kMish: return mish(x, precision);
    case Act::kQuickGelu: return x * sigmoid(x * F32::set1(1.702f), precision);
    case Act::kRelu2: return relu(x) * relu(x);
    case Act::kRelu6: return relu6(x);
    case Act::kSigmoid: return sigmoid(x, precision);
    case Act::kNone:   // with_act's own
    case Act::kRelu:
    case Act::kGeluErf:
    case Act::kGeluTanh:
    case Act::kSilu:
    case Act::kTanh: break;
  }
  return x;
}

// Calls body with a function of one vector: act's.
template <class P, class Body>
FASTPLM_INLINE void with_act(Act act, P precision, Body body) {
  switch (act) {
    case Act::kNone: return body([](F32 x) { return x; });
    case Act::kRelu: return body([](F32 x) { return relu(x); });
    case Act::kGeluErf: return body([=](F32 x) { return gelu_erf(x, precision); });
    case Act::kGeluTanh: return body([=](F32 x) { return gelu_tanh(x, precision); });
    case Act::kSilu: return body([=](F32 x) { return x * sigmoid(x, precision); });
    case Act::kTanh: return body([](F32 x) { return tanh(x); });
    default: return body([=](F32 x) { return rare_act(act, x, precision); });
  }
}
