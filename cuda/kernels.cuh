// Which file fills which functions of the table.
#pragma once
#include "cuda/table.h"

namespace fastplm::cuda {

template <class T>
void fill_add_norm(CudaKernels<T>&);   // and column_sums
template <class T>
void fill_adamw(CudaKernels<T>&);
template <class T>
void fill_flash(CudaKernels<T>&);
template <class T>
void fill_flash_grad(CudaKernels<T>&);
template <class T>
void fill_gated(CudaKernels<T>&);
template <class T>
void fill_loss(CudaKernels<T>&);
template <class T>
void fill_product(CudaKernels<T>&);
template <class T>
void fill_rows(CudaKernels<T>&);   // norm, head_norm, rope, embed

}  // namespace fastplm::cuda
