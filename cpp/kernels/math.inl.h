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

// 2^x. Relative error 2e-9 and the rounding of six steps; inf, 0 and NaN where they belong.
FASTPLM_INLINE F32 exp2(F32 x, Exact) {
  constexpr float kCoefficients[] = {1.0f,
                                     0.6931471824645996f,
                                     0.24022646248340607f,
                                     0.05550328642129898f,
                                     0.009618489071726799f,
                                     0.0013399930903688073f,
                                     0.00015345810970757157f};
  const F32 clamped = min(F32::set1(400.0f), max(F32::set1(-400.0f), x));   // keeps x - n exact for infinite x
  const F32 n = round(clamped);
  return scale2(horner(kCoefficients, clamped - n), n);
}

// 2^x. Relative error 7.5e-5.
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

// x * Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2 = 1/2 + x q(u) with u = 2 (x / limit)^2 - 1 for |x| <= limit,
// q fitted so that Phi(limit) = 1. Clamping keeps Phi at 0 and 1 beyond, and NaN stays NaN.
template <int kCount>
FASTPLM_INLINE F32 gelu_erf(F32 x, float limit, const float (&q)[kCount]) {
  const F32 c = min(F32::set1(limit), max(F32::set1(-limit), x));
  const F32 u = fma(c * c, F32::set1(2.0f / (limit * limit)), F32::set1(-1.0f));
  return x * fma(c, horner(q, u), F32::set1(0.5f));
}

FASTPLM_INLINE F32 gelu_erf(F32 x, Exact) {   // absolute error 8e-7
  constexpr float kQ[] = {0.1285519301891327f,   -0.06417247653007507f,  0.047736965119838715f, -0.038787245750427246f,
                          0.0320822037756443f,   -0.02611265331506729f,  0.02028489299118519f,  -0.014670667238533497f,
                          0.010478317737579346f, -0.007675941102206707f, 0.004220886155962944f, -0.001228300970979035f,
                          0.001036033732816577f, -0.00136919307988137f,  0.0005343325901776552f};
  return gelu_erf(x, 5.5f, kQ);
}

FASTPLM_INLINE F32 gelu_erf(F32 x, Rough) {   // absolute error 1.3e-4
  constexpr float kQ[] = {0.17594346404075623f,   -0.08439096063375473f,  0.05616923049092293f,
                          -0.036268722265958786f, 0.021170619875192642f,  -0.013559729792177677f,
                          0.008619599975645542f,  -0.0026835014577955008f};
  return gelu_erf(x, 4.0f, kQ);
}

// 0.5 x (1 + tanh(z)) = x sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3). arXiv:1606.08415.
template <class P>
FASTPLM_INLINE F32 gelu_tanh(F32 x, P precision) {
  constexpr float kTwoSqrt2OverPi = 1.5957691216057308f;
  const F32 z = x * fma(x * x, F32::set1(0.044715f * kTwoSqrt2OverPi), F32::set1(kTwoSqrt2OverPi));
  return x * sigmoid(z, precision);
}

// Calls body with a function of one vector: act's.
template <class P, class Body>
FASTPLM_INLINE void with_act(Act act, P precision, Body body) {
  switch (act) {
    case Act::kNone: return body([](F32 x) { return x; });
    case Act::kRelu: return body([](F32 x) { return max(F32::zero(), x); });   // NaN stays NaN
    case Act::kGeluErf: return body([=](F32 x) { return gelu_erf(x, precision); });
    case Act::kGeluTanh: return body([=](F32 x) { return gelu_tanh(x, precision); });
    case Act::kSilu: return body([=](F32 x) { return x * sigmoid(x, precision); });
    case Act::kTanh: return body([](F32 x) { return F32::set1(2.0f) * sigmoid(x + x, Exact{}) - F32::set1(1.0f); });
  }
}
