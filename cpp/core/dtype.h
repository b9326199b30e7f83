// Plain scalar types shared by CPU and CUDA code. No dependencies beyond <cstdint>.
#pragma once
#include <cstdint>

namespace fastplm {

enum class DType : uint8_t { kF32, kF16, kBF16, kI32, kI64, kU8 };

struct f16 {
  uint16_t bits;
};    // storage only; arithmetic happens in f32
struct bf16 {
  uint16_t bits;
};   // storage only; arithmetic happens in f32

constexpr int64_t size_of(DType t) {
  switch (t) {
    case DType::kF32:
    case DType::kI32: return 4;
    case DType::kF16:
    case DType::kBF16: return 2;
    case DType::kI64: return 8;
    case DType::kU8: return 1;
  }
  return 0;
}

constexpr const char* name_of(DType t) {
  switch (t) {
    case DType::kF32: return "f32";
    case DType::kF16: return "f16";
    case DType::kBF16: return "bf16";
    case DType::kI32: return "i32";
    case DType::kI64: return "i64";
    case DType::kU8: return "u8";
  }
  return "?";
}

}  // namespace fastplm
