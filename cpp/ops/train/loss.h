// Cross-entropy of logits and its gradient. For a row x with label y, over a vocabulary of V,
//   loss = (1 - smoothing) (lse - x_y) + smoothing (lse - mean(x)) + z lse^2,   lse = log(sum(exp(x)))
// and 0 where y is `ignored`. smoothing: as torch's label_smoothing; z: arXiv:2204.02311, section 5.
#pragma once
#include "core/export.h"
#include "core/tensor.h"

namespace fastplm::ops {

struct Loss {
  int64_t ignored;
  double smoothing, z;
};

//   logits        [rows, vocab]  f32 | bf16
//   labels        [rows]         i64: ignored, or 0 to vocab - 1
//   losses, lse   [rows]         f32
// Throws kValue, kType.
FASTPLM_EXPORT void cross_entropy(TensorView logits, TensorView labels, const Loss& options, TensorView losses,
                                  TensorView lse);

//   lse       [rows]         of cross_entropy
//   dlosses   [rows]         f32
//   grad      [rows, vocab]  of logits.dtype; may be logits
FASTPLM_EXPORT void cross_entropy_grad(TensorView logits, TensorView labels, const Loss& options, TensorView lse,
                                       TensorView dlosses, TensorView grad);

}  // namespace fastplm::ops
