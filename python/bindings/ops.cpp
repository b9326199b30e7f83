// _ops: stateless tensor functions. A TensorView argument accepts anything with __dlpack__, contiguous, without
// a copy; None is an empty view. Contracts: cpp/ops/<op>.h.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include "core/error.h"
#include "core/tensor.h"
#include "names.h"
#include "ops/attention.h"
#include "ops/convert.h"
#include "ops/embed.h"
#include "ops/glu.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/rope.h"
#include "ops/softmax.h"

namespace nb = nanobind;
using namespace nb::literals;
using namespace fastplm;

namespace {

DType dtype_of(nb::dlpack::dtype t) {
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
  fail(ErrorKind::kType, "a tensor has a dtype of code ", int(t.code), " and ", int(t.bits),
       " bits; expected f32, f16, bf16, i32, i64 or u8");
}

TensorView view_of(const nb::ndarray<nb::c_contig>& a) {
  if (a.ndim() > size_t(Shape::kMaxRank)) {
    fail(ErrorKind::kValue, "a tensor has ", a.ndim(), " dimensions; expected at most ", int(Shape::kMaxRank));
  }
  if (a.device_type() != nb::device::cpu::value) {
    fail(ErrorKind::kUnsupported, "a tensor is on device type ", a.device_type(), "; these ops run on the CPU");
  }
  TensorView view{a.data(), dtype_of(a.dtype()), Device::kCpu, {}};
  for (size_t i = 0; i < a.ndim(); ++i) view.shape.dims[size_t(view.shape.rank++)] = int64_t(a.shape(i));
  return view;
}

}  // namespace

template <>
struct nb::detail::type_caster<TensorView> {
  NB_TYPE_CASTER(TensorView, const_name("Tensor"))
  nb::ndarray<nb::c_contig> owner;   // keeps the memory alive while the GIL is released

  bool from_python(handle src, uint8_t, cleanup_list* cleanup) noexcept {
    if (src.is_none()) {
      value = {};
      return true;
    }
    make_caster<nb::ndarray<nb::c_contig>> array;
    if (!array.from_python(src, 0, cleanup)) return false;   // 0: never convert, never copy
    owner = array.value;
    try {
      value = view_of(owner);
    } catch (const std::exception&) {
      return false;   // nanobind then names the function and the types it got
    }
    return true;
  }
};

NB_MODULE(_ops, m) {
  nb::register_exception_translator([](const std::exception_ptr& p, void*) {
    try {
      std::rethrow_exception(p);
    } catch (const Error& error) {
      const bool type = error.kind == ErrorKind::kType, value = error.kind != ErrorKind::kInternal;
      PyErr_SetString(type ? PyExc_TypeError : value ? PyExc_ValueError : PyExc_RuntimeError, error.what());
    }
  });
  using Release = nb::call_guard<nb::gil_scoped_release>;

  m.def("convert", &ops::convert, "x"_a, "y"_a, Release());
  m.def("softmax", &ops::softmax, "x"_a, "y"_a, Release());
  m.def(
      "norm",
      [](TensorView x, const std::string& kind, TensorView weight, TensorView bias, double eps, TensorView y) {
        ops::norm(x, norm_kind(kind), weight, bias, eps, y);
      },
      "x"_a, "kind"_a, "weight"_a.none(), "bias"_a.none(), "eps"_a, "y"_a, Release());
  m.def(
      "glu", [](TensorView x, const std::string& name, TensorView y) { ops::glu(x, act(name), y); }, "x"_a, "act"_a,
      "y"_a, Release());
  m.def(
      "rope_table",
      [](TensorView frequencies, double factor, TensorView table) {
        Check{"rope_table"}.matches("frequencies", frequencies, DType::kF32, {table.shape.last() / 2});
        ops::rope_table({frequencies.as<float>(), size_t(frequencies.shape.count())}, factor, 0, table);
      },
      "frequencies"_a, "factor"_a, "table"_a, Release());
  m.def("rope", &ops::rope, "x"_a, "heads"_a, "head_dim"_a, "table"_a, "position_ids"_a, Release());
  m.def(
      "pool",
      [](TensorView x, TensorView cu_seqlens, const std::string& kind, bool normalize, TensorView y) {
        ops::pool(x, cu_seqlens, pool_kind(kind), normalize, y);
      },
      "x"_a, "cu_seqlens"_a, "kind"_a, "normalize"_a, "y"_a, Release());
  m.def(
      "embed",
      [](TensorView tokens, TensorView segments, TensorView positions, TensorView ids, TensorView segment_ids,
         TensorView position_ids, TensorView y) {
        ops::embed({.tokens = tokens, .segments = segments, .positions = positions}, ids, {}, segment_ids, position_ids,
                   y);
      },
      "tokens"_a, "segments"_a.none(), "positions"_a.none(), "ids"_a, "segment_ids"_a.none(), "position_ids"_a.none(),
      "y"_a, Release());

  // A packed weight crosses as the u8 buffer it lies in, packed_bytes(like, n, k) long.
  m.def(
      "packed_bytes", [](TensorView like, int64_t n, int64_t k) { return ops::packed_bytes(like.dtype, n, k); },
      "like"_a, "n"_a, "k"_a);
  m.def(
      "pack",
      [](TensorView w, bool transposed, TensorView like, TensorView panels) {
        const int64_t n = w.shape[transposed ? 1 : 0], k = w.shape[transposed ? 0 : 1];
        if (panels.shape.count() < ops::packed_bytes(like.dtype, n, k))
          fail(ErrorKind::kValue, "pack: panels is too short");
        ops::pack(w, transposed, {panels.data, like.dtype, n, k});
      },
      "w"_a, "transposed"_a, "like"_a, "panels"_a, Release());
  m.def(
      "linear",
      [](TensorView a, TensorView panels, TensorView bias, const std::string& name, TensorView residual,
         TensorView out) {
        const int64_t n = out.shape.last(), k = a.shape.last();
        if (panels.shape.count() < ops::packed_bytes(a.dtype, n, k))
          fail(ErrorKind::kValue, "linear: panels is too short");
        ops::linear(a, {panels.data, a.dtype, n, k}, bias, act(name), residual, out);
      },
      "a"_a, "panels"_a, "bias"_a.none(), "act"_a, "residual"_a.none(), "out"_a, Release());

  m.def(
      "attention_workspace",
      [](TensorView like, int64_t head_dim, int64_t longest) {
        return ops::attention_workspace(like.dtype, head_dim, longest);
      },
      "like"_a, "head_dim"_a, "longest"_a);
  m.def("bucket_bias", &ops::bucket_bias, "table"_a, "max_distance"_a, "both_ways"_a, "distance_bias"_a, Release());
  // q [tokens, heads head_dim], k and v [key tokens, kv_heads head_dim]; back, ahead: below 0 for all.
  m.def(
      "attention",
      [](TensorView q, TensorView k, TensorView v, TensorView cu_seqlens, TensorView cu_seqlens_k, int64_t heads,
         int64_t kv_heads, double scale, int64_t back, int64_t ahead, TensorView distance_bias, TensorView index,
         TensorView mask, TensorView out, TensorView weights, TensorView workspace) {
        const Check check{"attention"};
        const int64_t dim = out.shape.last() / std::max<int64_t>(1, heads), tokens = q.shape[0], key_tokens = k.shape[0];
        const Sequences queries = sequences_of("attention", cu_seqlens, tokens);
        const Sequences keys = cu_seqlens_k ? sequences_of("attention", cu_seqlens_k, key_tokens) : queries;
        check.shape("q", q, {tokens, heads * dim});
        check.matches("k", k, q.dtype, {keys.tokens(), kv_heads * dim});
        check.matches("v", v, q.dtype, k.shape);
        check.matches("out", out, q.dtype, q.shape);
        check.optional("index", index, DType::kI32, {keys.tokens()});
        ops::attention({q.data, q.shape[1]}, queries, {keys, {k.data, k.shape[1]}, {v.data, v.shape[1]}},
                       {.dtype = q.dtype,
                        .heads = heads,
                        .kv_heads = kv_heads,
                        .head_dim = dim,
                        .scale = scale,
                        .back = back < 0 ? kFar : back,
                        .ahead = ahead < 0 ? kFar : ahead,
                        .distance_bias = distance_bias,
                        .index = index,
                        .mask = mask},
                       {out.data, out.shape[1]}, weights.as<float>(), workspace);
      },
      "q"_a, "k"_a, "v"_a, "cu_seqlens"_a, "cu_seqlens_k"_a.none(), "heads"_a, "kv_heads"_a, "scale"_a, "back"_a,
      "ahead"_a, "distance_bias"_a.none(), "index"_a.none(), "mask"_a.none(), "out"_a, "weights"_a.none(),
      "workspace"_a, Release());
}
