// Activations and their derivatives; as transformers' ACT2FN has them. CPU: cpp/kernels/act_grad.inl.h.
#pragma once
#include "cuda/values.cuh"

namespace fastplm::cuda {

struct ValueAndSlope {
  float value, slope;
};

__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ inline float normal_cdf(float x) { return 0.5f * erfcf(x * -0.7071067811865476f); }   // 1 / sqrt 2
__device__ inline float normal_density(float x) { return 0.3989422804014327f * expf(-0.5f * x * x); }  // 1 / sqrt(2 pi)

// x s, where s is a sigmoid of z(x): the slope is s + x s (1 - s) z'.
__device__ inline ValueAndSlope times_sigmoid(float x, float s, float z_slope) {
  const float y = x * s;
  return {y, y * (1.0f - s) * z_slope + s};
}

__device__ inline ValueAndSlope gelu_erf(float x) {
  const float cdf = normal_cdf(x);
  return {x * cdf, x * normal_density(x) + cdf};
}

// x sigmoid(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3). arXiv:1606.08415.
__device__ inline ValueAndSlope gelu_tanh(float x) {
  constexpr float kTwoSqrt2OverPi = 1.5957691216057308f, kCubic = 0.044715f;
  const float square = x * x > 1e8f ? 1e8f : x * x;  // beyond, the sigmoid's own slope is 0, and 0 inf is NaN
  const float z = x * kTwoSqrt2OverPi * (1.0f + kCubic * square);
  return times_sigmoid(x, sigmoid(z), kTwoSqrt2OverPi * (1.0f + 3.0f * kCubic * square));
}

__device__ inline ValueAndSlope mish(float x) {  // x tanh(log(1 + e^x)). arXiv:1908.08681
  const float e = expf(x > 20.0f ? 20.0f : x), n = e * (e + 2.0f), t = n / (n + 2.0f);
  return {x * t, x * (1.0f - t * t) * sigmoid(x) + t};
}

// The rarer ones, a call away: every activation in a kernel's loop is more code in it. NaN stays NaN in all.
__device__ __noinline__ inline ValueAndSlope rare_act(Act act, float x) {
  const float positive = x < 0.0f ? 0.0f : x;
  switch (act) {
    case Act::kGelu10: {
      const ValueAndSlope gelu = gelu_erf(x);
      return gelu.value > 10.0f ? ValueAndSlope{10.0f, 0.0f} : gelu;
    }
    case Act::kHardSwish:
      if (x <= -3.0f) return {0.0f, 0.0f};
      if (x >= 3.0f) return {x, 1.0f};
      return {x * (x + 3.0f) * (1.0f / 6.0f), x * (1.0f / 3.0f) + 0.5f};
    case Act::kLaplace: {  // the normal distribution's with this mean and deviation. arXiv:2209.10655
      constexpr float kScale = 1.0f / 0.282095f;
      const float z = (x - 0.707107f) * kScale;
      return {normal_cdf(z), normal_density(z) * kScale};
    }
    case Act::kLeakyRelu: return x > 0.0f ? ValueAndSlope{x, 1.0f} : ValueAndSlope{0.01f * x, 0.01f};
    case Act::kMish: return mish(x);
    case Act::kQuickGelu: return times_sigmoid(x, sigmoid(1.702f * x), 1.702f);
    case Act::kRelu2: return {positive * positive, 2.0f * positive};
    case Act::kRelu6: return x > 6.0f ? ValueAndSlope{6.0f, 0.0f} : ValueAndSlope{positive, x > 0.0f ? 1.0f : 0.0f};
    case Act::kSigmoid: {
      const float s = sigmoid(x);
      return {s, s * (1.0f - s)};
    }
    default: return {x, 1.0f};
  }
}

__device__ inline ValueAndSlope value_and_slope(Act act, float x) {
  switch (act) {
    case Act::kNone: return {x, 1.0f};
    case Act::kRelu: return {x < 0.0f ? 0.0f : x, x > 0.0f ? 1.0f : 0.0f};
    case Act::kGeluErf: return gelu_erf(x);
    case Act::kGeluTanh: return gelu_tanh(x);
    case Act::kSilu: return times_sigmoid(x, sigmoid(x), 1.0f);
    case Act::kTanh: {
      const float t = tanhf(x);
      return {t, 1.0f - t * t};
    }
    default: return rare_act(act, x);
  }
}

}  // namespace fastplm::cuda
