// Adam with decoupled weight decay (arXiv:1711.05101) over many tensors at once, and the norm of their gradients.
#pragma once
#include <span>

#include "core/export.h"
#include "core/tensor.h"

namespace fastplm::ops {

struct AdamW {
  double lr, beta1, beta2, eps, weight_decay;
  double grad_scale = 1.0;   // gradients are taken times this
  TensorView device_scale;   // [1] f32 on CUDA: and times this; or empty
};

// One parameter. All of one shape; grad is of param's dtype, mean and square too, or f32.
struct Adapted {
  TensorView param, grad, mean, square;
  TensorView master;   // f32: the parameter itself, of which a bf16 param is the rounded copy; or empty
  int64_t step;        // from 1 on
};

//   m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2
//   p = p (1 - lr weight_decay) - lr / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + eps)
// Throws kValue, kType.
FASTPLM_EXPORT void adamw(std::span<const Adapted> tensors, const AdamW& options);

// The same of tensors on CUDA, without waiting for it: norm [1] f32 lies there, workspace has norm_workspace() bytes of
// u8, 8-byte aligned.
FASTPLM_EXPORT void global_norm_on_cuda(std::span<const TensorView> tensors, TensorView norm, TensorView workspace);
FASTPLM_EXPORT int64_t norm_workspace(std::span<const TensorView> tensors);

// sqrt of the sum of the squares of all values, f32 | bf16; in an order that depends on the shapes alone.
FASTPLM_EXPORT double global_norm(std::span<const TensorView> tensors);

}  // namespace fastplm::ops
