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
  void (*cross_entropy)(const LossArgs<T>&, Range rows) noexcept;
  void (*cross_entropy_grad)(const LossGradArgs<T>&, Range rows) noexcept;
  void (*flash)(const FlashArgs<T>&) noexcept;
  void (*flash_grad)(const FlashGradArgs<T>&) noexcept;
  int64_t (*flash_workspace)(int64_t head_dim, int64_t keys) noexcept;   // in bytes
  void (*adamw)(const AdamWArgs<T, T>&, Range values) noexcept;
  void (*adamw_f32)(const AdamWArgs<T, float>&, Range values) noexcept;   // with a state in f32
  double (*sum_squares)(const T* x, int64_t n) noexcept;
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
