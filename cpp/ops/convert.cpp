#include "ops/convert.h"

#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/dispatch.h"

namespace fastplm::ops {

void convert(TensorView from, TensorView to) {
  Check{"convert"}.shape("to", to, from.shape);
  const int64_t count = from.shape.count();
  with_float_type("convert", to.dtype, [&]<class T>() {
    const auto& kernel = kernels().of<T>();
    switch (from.dtype) {
      case DType::kF32: return kernel.from_f32(from.as<float>(), to.as<T>(), count);
      case DType::kF16: return kernel.from_f16(from.as<f16>(), to.as<T>(), count);
      case DType::kBF16: return kernel.from_bf16(from.as<bf16>(), to.as<T>(), count);
      default: fail(ErrorKind::kType, "convert: from is ", from.dtype, "; expected f32, f16 or bf16");
    }
  });
}

}  // namespace fastplm::ops
