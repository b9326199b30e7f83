// The run-time switches of the library: float type, weight format, device. Nothing else may switch on them.
#pragma once
#include "core/error.h"
#include "core/tensor.h"
#include "kernels/args.h"
#include "ops/cuda.h"

namespace fastplm {

// Calls fn<T>() with the type the engine computes in: float or bf16.
template <class Fn>
void with_float_type(const char* op, DType dtype, Fn&& fn) {
  switch (dtype) {
    case DType::kF32: return fn.template operator()<float>();
    case DType::kBF16: return fn.template operator()<bf16>();
    default: fail(ErrorKind::kType, op, ": dtype is ", name_of(dtype), "; expected f32 or bf16");
  }
}

// Calls fn<T>() with a type that weights are stored in: float, f16 or bf16.
template <class Fn>
void with_stored_type(const char* op, DType dtype, Fn&& fn) {
  if (dtype == DType::kF16) return fn.template operator()<f16>();
  with_float_type(op, dtype, fn);
}

// Calls fn(kernels, stream) with the CUDA kernels of x's type; fn returns their error.
template <class Fn>
void with_cuda(const char* op, const TensorView& x, Fn&& fn) {
  const CudaTable& table = ops::cuda_table(op);
  with_stored_type(op, x.dtype, [&]<class T>() { ops::check_cuda(op, fn(table.of<T>(), ops::cuda_stream())); });
}

// The weight format of that type. What a format does is a row of kernels().formats, so that nothing switches on it.
inline Format format_of(DType dtype) {
  Format format{};
  with_float_type("format_of", dtype, [&]<class T>() { format = sizeof(T) == 4 ? Format::kF32 : Format::kBF16; });
  return format;
}

}  // namespace fastplm
