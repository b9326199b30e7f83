// The part of the kernel table that trains.
#pragma once
#include "kernels/kernels.h"
#include "kernels/train_args.h"

namespace fastplm {

template <class T>
struct TrainKernels {
  void (*add_norm)(const AddNormArgs<T>&, Range rows) noexcept;
  void (*add_norm_grad)(const AddNormGradArgs<T>&, Range rows, float* dweight, float* dbias) noexcept;
  void (*gated)(const GatedArgs<T>&, Range rows) noexcept;
  void (*gated_grad)(const GatedGradArgs<T>&, Range rows) noexcept;
  void (*column_sums)(const T* x, int64_t dim, Range rows, float* sums) noexcept;
  void (*rotary)(const RotaryArgs<T>&, Range rows) noexcept;
  void (*gather)(const GatherArgs<T>&, Range rows) noexcept;
  void (*scatter)(const T* grad, const int64_t* ids, int64_t rows, int64_t dim, Range columns, float* table) noexcept;
  void (*cross_entropy)(const LossArgs<T>&, Range rows) noexcept;
  void (*cross_entropy_grad)(const LossGradArgs<T>&, Range rows) noexcept;
  void (*flash)(const FlashArgs<T>&) noexcept;
  void (*flash_grad)(const FlashGradArgs<T>&) noexcept;
  int64_t (*flash_workspace)(int64_t head_dim, int64_t keys) noexcept;   // in bytes
  void (*adamw)(const AdamWArgs<T, T>&, Range values) noexcept;
  void (*adamw_f32)(const AdamWArgs<T, float>&, Range values) noexcept;   // with a state in f32
  double (*sum_squares)(const T* x, int64_t n) noexcept;
  // Of Adafactor, in this order: rows, columns, the norm of the update, the update.
  void (*adafactor_squares)(const AdafactorArgs<T>&, Range rows, float* columns) noexcept;
  float (*adafactor_columns)(const AdafactorArgs<T>&, const float* sums, int64_t parts, int64_t rows) noexcept;
  double (*adafactor_norm)(const AdafactorArgs<T>&, Range rows) noexcept;
  void (*adafactor)(const AdafactorArgs<T>&, Range rows) noexcept;
  int64_t product_block;   // rows that one register tile handles together
  int64_t product_panel;   // columns of one panel
  void (*product_pack)(const ProductArgs<T>&, Range panels) noexcept;   // first: packs b
  void (*product_rows)(const ProductArgs<T>&, Range rows) noexcept;     // then: brings rows of a into the workspace
  void (*product)(const ProductArgs<T>&, Range rows, Range panels) noexcept;
  int64_t (*product_panels)(int64_t n, int64_t k) noexcept;         // in bytes
  int64_t (*product_workspace)(int64_t rows, int64_t k) noexcept;   // in bytes
};

struct Train {
  TrainKernels<float> f32;
  TrainKernels<bf16> bf;
};

template <class T>
const TrainKernels<T>& train_kernels() {
  if constexpr (sizeof(T) == sizeof(float))
    return kernels().train->f32;
  else
    return kernels().train->bf;
}

}  // namespace fastplm
