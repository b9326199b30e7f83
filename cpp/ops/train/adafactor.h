// Adafactor as torch.optim has it (arXiv:1804.04235), over many tensors at once.
#pragma once
#include <span>

#include "core/export.h"
#include "core/tensor.h"

namespace fastplm::ops {

struct Adafactor {
  double lr, beta2_decay, eps1, eps2, clip, weight_decay;   // beta2_decay <= 0; clip: torch's d
  bool maximize = false;
};

// One parameter, with a state of its dtype, f32 | bf16: row_var [..., rows, 1] and col_var [..., 1, columns] of a
// parameter [..., rows, columns], each of whose matrices is factored for itself; of a vector or a number row_var is
// empty and col_var has its shape.
struct FactoredState {
  TensorView param, grad, row_var, col_var;
  int64_t step;   // from 1 on
};

//   w = step^beta2_decay;  row_var += w (mean of g^2 over columns - row_var), col_var likewise over rows
//   v = row_var col_var / max(mean of row_var, eps1)         of a vector: col_var += w (g^2 - col_var), v = col_var
//   u = g / sqrt(max(v, eps1^2))
//   p = p (1 - lr weight_decay) - a u / max(1, rms(u) / clip),  a = max(eps2, rms(p)) min(lr, 1 / sqrt(step))
// workspace: adafactor_workspace() bytes of u8, 8-byte aligned. Sums are added in an order that depends on the shapes
// alone. Throws kValue, kType.
FASTPLM_EXPORT void adafactor(std::span<const FactoredState> tensors, const Adafactor& options, TensorView workspace);
FASTPLM_EXPORT int64_t adafactor_workspace(std::span<const TensorView> params);

}  // namespace fastplm::ops
