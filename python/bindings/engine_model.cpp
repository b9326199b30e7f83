// Model: a loaded checkpoint and its forward pass over numpy arrays.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "core/error.h"
#include "engine.h"
#include "model/model.h"
#include "model/padded.h"
#include "names.h"

using namespace fastplm;

namespace {

template <class T>
using Array = py::array_t<T, py::array::c_style>;
template <class T>
using MaybeArray = std::optional<Array<T>>;

template <class T>
constexpr DType kTypeOf = DType::kF32;
template <>
constexpr DType kTypeOf<int32_t> = DType::kI32;
template <>
constexpr DType kTypeOf<uint8_t> = DType::kU8;

template <class T>
TensorView view_of(const Array<T>& a) {
  TensorView view{const_cast<T*>(a.data()), kTypeOf<T>, Device::kCpu, {}};
  for (py::ssize_t i = 0; i < a.ndim(); ++i) view.shape.dims[size_t(view.shape.rank++)] = a.shape(i);
  return view;
}

DType dtype_from(const std::string& name) {
  if (name == "float32") return DType::kF32;
  if (name == "bfloat16") return DType::kBF16;
  fail(ErrorKind::kUnsupported, "dtype is \"", name, "\"; expected float32 or bfloat16");
}

DType stored_dtype_from(const std::string& name) {   // as safetensors spells them
  if (name == "F32") return DType::kF32;
  if (name == "F16") return DType::kF16;
  if (name == "BF16") return DType::kBF16;
  if (name == "I64") return DType::kI64;
  if (name == "I32") return DType::kI32;
  return DType::kU8;   // never a weight: refused by name if one is asked for
}

using EntryTuple = std::tuple<std::string, std::string, std::string, std::vector<int64_t>, int64_t, int64_t>;

std::unique_ptr<Model> load(const std::string& model_type, py::dict config, const std::vector<EntryTuple>& tensors,
                            const std::string& dtype) {
  std::vector<TensorEntry> entries;
  for (const auto& [name, path, type, shape, offset, bytes] : tensors) {
    if (shape.size() > size_t(Shape::kMaxRank)) continue;   // no weight we know has so many dimensions
    TensorEntry entry{
        .name = name, .path = path, .dtype = stored_dtype_from(type), .shape = {}, .offset = offset, .bytes = bytes};
    for (int64_t size : shape) entry.shape.dims[size_t(entry.shape.rank++)] = size;
    entries.push_back(std::move(entry));
  }
  const Value settings = to_value(config);
  const DType compute = dtype_from(dtype);
  const ReleaseGil released;
  return std::make_unique<Model>(model_type, settings, entries, compute);
}

template <class T>
void expect_shape(const char* name, const MaybeArray<T>& a, const std::vector<py::ssize_t>& want) {
  if (!a || std::equal(want.begin(), want.end(), a->shape(), a->shape() + a->ndim())) return;
  const auto text = [](const auto* sizes, size_t n) {
    std::ostringstream out;
    for (size_t i = 0; i < n; ++i) out << (i ? ", " : "[") << sizes[i];
    out << "]";
    return out.str();
  };
  fail(ErrorKind::kValue, "forward: ", name, " has shape ", text(a->shape(), size_t(a->ndim())), "; expected ",
       text(want.data(), want.size()));
}

// The int64 or int32 values of `ids` as int32.
std::vector<int32_t> to_int32(const py::array& ids) {
  const auto wide = Array<int64_t>::ensure(ids);
  if (!wide) throw py::error_already_set();
  std::vector<int32_t> out(size_t(wide.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t id = wide.data()[i];
    if (id != int32_t(id)) fail(ErrorKind::kValue, "forward: input_ids holds ", id, "; expected ids below 2147483648");
    out[i] = int32_t(id);
  }
  return out;
}

py::dict forward(const Model& model, const std::optional<py::array>& input_ids, const MaybeArray<float>& embeds,
                 const MaybeArray<uint8_t>& mask, const MaybeArray<int32_t>& positions,
                 const MaybeArray<int32_t>& segments, bool hidden_states, bool attentions) {
  const Spec& spec = model.spec();
  if (input_ids.has_value() == embeds.has_value()) {
    fail(ErrorKind::kValue, "forward: expected either input_ids or inputs_embeds, and got ",
         input_ids ? "both" : "neither");
  }
  const py::array& shaped = input_ids ? *input_ids : *embeds;
  if (shaped.ndim() != (input_ids ? 2 : 3)) {
    fail(ErrorKind::kValue, "forward: ", input_ids ? "input_ids" : "inputs_embeds", " has ", shaped.ndim(),
         " dimensions; expected ", input_ids ? "[batch, length]" : "[batch, length, width]");
  }
  const py::ssize_t batch = shaped.shape(0), length = shaped.shape(1);
  expect_shape("inputs_embeds", embeds, {batch, length, py::ssize_t(spec.width)});
  const bool pairs = mask && mask->ndim() == 3;
  expect_shape("attention_mask", mask,
               pairs ? std::vector<py::ssize_t>{batch, length, length} : std::vector<py::ssize_t>{batch, length});
  expect_shape("position_ids", positions, {batch, length});
  expect_shape("token_type_ids", segments, {batch, length});

  const std::vector<int32_t> ids = input_ids ? to_int32(*input_ids) : std::vector<int32_t>();
  const int64_t heads = spec.attention[0].heads, states = spec.layers + 1;
  Array<float> last({batch, length, py::ssize_t(spec.width)});
  std::optional<Array<float>> pooler;
  if (model.has_pooler()) pooler.emplace(std::vector<py::ssize_t>{batch, py::ssize_t(spec.width)});
  std::vector<Array<float>> layers, weights;
  for (int64_t i = 0; hidden_states && i < states; ++i)
    layers.emplace_back(std::vector<py::ssize_t>{batch, length, py::ssize_t(spec.width)});
  for (int64_t i = 0; attentions && i < spec.layers; ++i)
    weights.emplace_back(std::vector<py::ssize_t>{batch, py::ssize_t(heads), length, length});
  std::vector<float*> layer_data, weight_data;
  for (auto& a : layers) layer_data.push_back(a.mutable_data());
  for (auto& a : weights) weight_data.push_back(a.mutable_data());
  float* last_data = last.mutable_data();
  float* pooler_data = pooler ? pooler->mutable_data() : nullptr;
  const PaddedInput input{.batch = batch,
                          .length = length,
                          .ids = input_ids ? ids.data() : nullptr,
                          .embeds = embeds ? embeds->data() : nullptr,
                          .mask = mask && !pairs ? mask->data() : nullptr,
                          .pair_mask = pairs ? mask->data() : nullptr,
                          .position_ids = positions ? positions->data() : nullptr,
                          .segment_ids = segments ? segments->data() : nullptr};
  {
    const ReleaseGil released;
    const Packing packing(input, spec);
    const int64_t tokens = packing.batch().tokens(), weight_count = attentions ? packing.attention_size(heads) : 0;
    Buffer packed_last(tokens * spec.width * 4);
    Buffer packed_states(hidden_states ? states * tokens * spec.width * 4 : 0),
        packed_weights(spec.layers * weight_count * 4);
    Outputs out{.last_hidden = {packed_last.data(), DType::kF32, Device::kCpu, {tokens, spec.width}}};
    if (packed_states.size())
      out.hidden_states = {packed_states.data(), DType::kF32, Device::kCpu, {states, tokens, spec.width}};
    if (packed_weights.size())
      out.attentions = {packed_weights.data(), DType::kF32, Device::kCpu, {spec.layers, weight_count}};
    if (pooler) out.pooler = {pooler_data, DType::kF32, Device::kCpu, {batch, spec.width}};
    model.forward(packing.batch(), out);
    if (pooler) pool_hidden(model, input, pooler_data);
    packing.unpack_rows(packed_last.as<float>(), spec.width, last_data);
    for (int64_t i = 0; i < int64_t(layer_data.size()); ++i) {
      packing.unpack_rows(packed_states.as<float>() + i * tokens * spec.width, spec.width, layer_data[size_t(i)]);
    }
    for (int64_t i = 0; i < int64_t(weight_data.size()); ++i) {
      packing.unpack_attention(packed_weights.as<float>() + i * weight_count, heads, weight_data[size_t(i)]);
    }
  }
  py::dict result;
  result["last_hidden_state"] = last;
  result["pooler_output"] = pooler;
  result["hidden_states"] = hidden_states ? py::object(py::cast(layers)) : py::none();
  result["attentions"] = attentions ? py::object(py::cast(weights)) : py::none();
  return result;
}

Batch packed_batch(const Array<int32_t>& ids, const Array<int32_t>& cu_seqlens, const MaybeArray<int32_t>& segments) {
  Batch batch{.cu_seqlens = view_of(cu_seqlens), .ids = view_of(ids)};
  if (segments) batch.segment_ids = view_of(*segments);
  return batch;
}

Array<float> forward_packed(const Model& model, const Array<int32_t>& ids, const Array<int32_t>& cu_seqlens,
                            const MaybeArray<int32_t>& segments) {
  const Batch batch = packed_batch(ids, cu_seqlens, segments);
  Array<float> last(std::vector<py::ssize_t>{ids.size(), py::ssize_t(model.spec().width)});
  const Outputs out{.last_hidden = view_of(last)};
  const ReleaseGil released;
  model.forward(batch, out);
  return last;
}

Array<float> embed(const Model& model, const Array<int32_t>& ids, const Array<int32_t>& cu_seqlens,
                   const std::string& pooling, bool normalize, const MaybeArray<int32_t>& segments) {
  const Batch batch = packed_batch(ids, cu_seqlens, segments);
  const py::ssize_t sequences = std::max<py::ssize_t>(cu_seqlens.size() - 1, 0);
  Array<float> pooled(std::vector<py::ssize_t>{sequences, py::ssize_t(model.spec().width)});
  const Outputs out{.pooled = view_of(pooled), .pool = pool_kind(pooling), .normalize = normalize};
  const ReleaseGil released;
  model.forward(batch, out);
  return pooled;
}

}  // namespace

void bind_model(py::module_& m) {
  m.def("architectures", [] {
    std::vector<std::string> names;
    for (const Arch* arch : architectures()) names.push_back(arch->model_type);
    return names;
  });
  py::class_<Model>(m, "Model")
      .def(py::init(&load), py::arg("model_type"), py::arg("config"), py::arg("tensors"), py::arg("dtype"))
      .def("forward", &forward, py::arg("input_ids"), py::arg("inputs_embeds"), py::arg("attention_mask"),
           py::arg("position_ids"), py::arg("token_type_ids"), py::arg("hidden_states"), py::arg("attentions"))
      .def("forward_packed", &forward_packed, py::arg("ids").noconvert(), py::arg("cu_seqlens").noconvert(),
           py::arg("token_type_ids") = py::none())
      .def("embed", &embed, py::arg("ids").noconvert(), py::arg("cu_seqlens").noconvert(), py::arg("pooling"),
           py::arg("normalize"), py::arg("token_type_ids") = py::none())
      .def_property_readonly("dtype", [](const Model& m) { return m.dtype() == DType::kF32 ? "float32" : "bfloat16"; })
      .def_property_readonly("width", [](const Model& m) { return m.spec().width; })
      .def_property_readonly("layers", [](const Model& m) { return m.spec().layers; })
      .def_property_readonly("heads", [](const Model& m) { return m.spec().attention[0].heads; })
      .def_property_readonly("vocab_size", [](const Model& m) { return m.spec().embed.vocab; })
      .def_property_readonly(
          "max_length",
          [](const Model& m) { return m.spec().max_length ? std::optional(m.spec().max_length) : std::nullopt; })
      .def_property_readonly("has_pooler", &Model::has_pooler)
      .def_property_readonly("nbytes", &Model::bytes);
}
