// A borrowed view of memory someone else owns. fastplm ops never allocate: callers pass outputs.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include "core/dtype.h"

namespace fastplm {

enum class Device : uint8_t { kCpu, kCuda };

struct Shape {
  static constexpr int kMaxRank = 5;
  std::array<int64_t, kMaxRank> dims{};
  int rank = 0;

  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) {
    for (int64_t size : sizes) dims[rank++] = size;
  }
  bool operator==(const Shape&) const = default;
  int64_t operator[](int i) const { return dims[i]; }
  int64_t last() const { return rank ? dims[rank - 1] : 1; }
  int64_t rows() const {   // the product of all dimensions but the last
    int64_t n = 1;
    for (int i = 0; i + 1 < rank; ++i) n *= dims[i];
    return n;
  }
  int64_t count() const { return rows() * last(); }
};

inline std::ostream& operator<<(std::ostream& out, const Shape& s) {
  out << '[';
  for (int i = 0; i < s.rank; ++i) out << (i ? ", " : "") << s.dims[i];
  return out << ']';
}

inline std::ostream& operator<<(std::ostream& out, DType t) { return out << name_of(t); }

struct TensorView {   // contiguous, row-major
  void* data = nullptr;
  DType dtype = DType::kF32;
  Device device = Device::kCpu;
  Shape shape;

  explicit operator bool() const { return data; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

using Stream = std::uintptr_t;   // cudaStream_t as an integer; 0 on CPU

}  // namespace fastplm
