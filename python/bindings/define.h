// How a stateless function of the library becomes one of Python: anything with __dlpack__ is a tensor, if it is
// contiguous; nothing is copied.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <array>
#include <optional>
#include <tuple>
#include <vector>

#include "core/error.h"
#include "core/tensor.h"
#include "gil.h"
#include "ops/cuda.h"

namespace nb = nanobind;
using namespace fastplm;

struct Place {   // of an argument, for errors
  const char *op, *name;
  bool cuda = false;   // the op has kernels for it
  friend std::ostream& operator<<(std::ostream& out, const Place& p) { return out << p.op << ": " << p.name; }
};

inline DType dtype_of(nb::dlpack::dtype t, const Place& place) {
  const auto is = [&](nb::dlpack::dtype_code code, int bits) {
    return t.code == uint8_t(code) && t.bits == bits && t.lanes == 1;
  };
  using Code = nb::dlpack::dtype_code;
  if (is(Code::Float, 32)) return DType::kF32;
  if (is(Code::Float, 16)) return DType::kF16;
  if (is(Code::Bfloat, 16)) return DType::kBF16;
  if (is(Code::Int, 32)) return DType::kI32;
  if (is(Code::Int, 64)) return DType::kI64;
  if (is(Code::UInt, 8)) return DType::kU8;
  constexpr const char* kCodes[] = {"i", "u", "f", "handle", "bf", "c", "bool"};
  fail(ErrorKind::kType, place, " is ", t.code < std::size(kCodes) ? kCodes[t.code] : "of another kind, ", int(t.bits),
       "; expected f32, f16, bf16, i32, i64 or u8");
}

inline bool is_contiguous(const nb::ndarray<>& a) {
  int64_t step = 1;
  for (size_t i = a.ndim(); i-- > 0; step *= int64_t(a.shape(i))) {
    if (a.shape(i) != 1 && a.stride(i) != step) return a.size() == 0;
  }
  return true;
}

inline TensorView view_of(const nb::ndarray<>& a, const Place& place) {
  const bool is_cuda = a.device_type() == nb::device::cuda::value;
  if (a.device_type() != nb::device::cpu::value && !(place.cuda && is_cuda)) {
    fail(ErrorKind::kUnsupported, place, " is on device type ", a.device_type(), " of DLPack; expected 1, the CPU",
         place.cuda ? ", or 2, CUDA" : "");
  }
  TensorView view{a.data(), dtype_of(a.dtype(), place), is_cuda ? Device::kCuda : Device::kCpu, {}};
  if (a.ndim() > size_t(Shape::kMaxRank)) {
    fail(ErrorKind::kValue, place, " has ", a.ndim(), " dimensions; expected at most ", int(Shape::kMaxRank));
  }
  for (size_t i = 0; i < a.ndim(); ++i) view.shape.dims[size_t(view.shape.rank++)] = int64_t(a.shape(i));
  if (!is_contiguous(a)) fail(ErrorKind::kValue, place, " has gaps or another order; expected it to be contiguous");
  return view;
}

// A parameter of an op: how Python gives it, and its value while the op runs.
template <class T>
class Parameter {
 public:
  using Given = T;
  Parameter(const Place&, const T& given) : value(given) {}
  T value;
};

template <>
class Parameter<TensorView> {
  nb::ndarray<> owner_;   // keeps the memory alive

 public:
  using Given = nb::object;   // whatever it is: what is wrong with it is for us to say
  Parameter(const Place& place, const nb::object& given) {
    if (!nb::try_cast(given, owner_, false)) {
      fail(ErrorKind::kType, place, " is a ", Py_TYPE(given.ptr())->tp_name,
           "; expected a tensor whose memory may be shared and written (__dlpack__)");
    }
    value = view_of(owner_, place);
  }
  int device_index() const { return on_cuda(value) ? owner_.device_id() : 0; }
  TensorView value;
};

struct Maybe : TensorView {};   // None: an empty view

template <>
class Parameter<Maybe> {
  std::optional<Parameter<TensorView>> tensor_;

 public:
  using Given = nb::object;
  Parameter(const Place& place, const nb::object& given) {
    if (given.is_none()) return;
    value = {tensor_.emplace(place, given).value};
  }
  const std::optional<Parameter<TensorView>>& given() const { return tensor_; }
  Maybe value;
};

using TensorList = std::vector<TensorView>;   // a list or tuple of them

template <>
class Parameter<TensorList> {
  std::vector<Parameter<TensorView>> tensors_;

 public:
  using Given = nb::object;
  Parameter(const Place& place, const nb::object& given) {
    nb::list list;
    if (!nb::try_cast(given, list)) {
      fail(ErrorKind::kType, place, " is a ", Py_TYPE(given.ptr())->tp_name, "; expected a list of tensors");
    }
    tensors_.reserve(list.size());
    for (nb::handle each : list) value.push_back(tensors_.emplace_back(place, nb::borrow(each)).value);
  }
  const std::vector<Parameter<TensorView>>& given() const { return tensors_; }
  TensorList value;
};

struct OnHost : TensorView {};   // always on the CPU

template <>
class Parameter<OnHost> {
  Parameter<TensorView> tensor_;

 public:
  using Given = nb::object;
  Parameter(const Place& place, const nb::object& given) : tensor_({place.op, place.name}, given) {
    value = {tensor_.value};
  }
  OnHost value;
};

// All tensors of a call lie on one device, where it runs. Those without memory may be anywhere.
class OneDevice {
  const char *op_, *first_name_ = nullptr;
  Device device_ = Device::kCpu;
  int index_ = 0;

 public:
  explicit OneDevice(const char* op) : op_(op) {}
  ~OneDevice() { ops::set_cuda_device(index_); }
  void see(const char* name, const Parameter<TensorView>& tensor) {
    const TensorView& t = tensor.value;
    if (!t) return;
    if (!first_name_) {
      first_name_ = name;
      device_ = t.device;
      index_ = tensor.device_index();
    }
    if (t.device == device_ && tensor.device_index() == index_) return;
    const auto where = [](Device device, int index) {
      return device == Device::kCuda ? "cuda:" + std::to_string(index) : std::string("cpu");
    };
    fail(ErrorKind::kUnsupported, op_, ": ", name, " is on ", where(t.device, tensor.device_index()), "; expected ",
         where(device_, index_), ", as ", first_name_);
  }
  void see(const char* name, const Parameter<Maybe>& tensor) {
    if (tensor.given()) see(name, *tensor.given());
  }
  void see(const char* name, const Parameter<TensorList>& list) {
    for (const Parameter<TensorView>& t : list.given()) see(name, t);
  }
  template <class Other>
  void see(const char*, const Other&) {}
};

template <class T>
using ParameterOf = Parameter<std::remove_cvref_t<T>>;

template <class T>
auto annotation(const char* name) {
  if constexpr (std::is_same_v<typename ParameterOf<T>::Given, nb::object>)
    return nb::arg(name).none();   // a tensor that is None is refused in our words
  else
    return nb::arg(name);
}

template <class... Args>
using Names = std::array<const char*, sizeof...(Args)>;

template <class Result, class... Args, size_t... kAt>
void define(nb::module_& m, const char* op, bool cuda, Result (*run)(Args...), const Names<Args...>& names,
            std::index_sequence<kAt...>) {
  m.def(
      op,
      [=](typename ParameterOf<Args>::Given... given) {
        const std::tuple<ParameterOf<Args>...> parameters{ParameterOf<Args>(Place{op, names[kAt], cuda}, given)...};
        if (cuda) {
          OneDevice device(op);
          (device.see(names[kAt], std::get<kAt>(parameters)), ...);
        }
        const ReleaseGil released;
        return run(std::get<kAt>(parameters).value...);
      },
      annotation<Args>(names[kAt])...);
}

template <class Result, class... Args>
void define(nb::module_& m, const char* op, Result (*run)(Args...), const Names<Args...>& names) {
  define(m, op, false, run, names, std::index_sequence_for<Args...>());
}

// An op that has CUDA kernels too.
template <class Result, class... Args>
void define_everywhere(nb::module_& m, const char* op, Result (*run)(Args...), const Names<Args...>& names) {
  define(m, op, true, run, names, std::index_sequence_for<Args...>());
}
