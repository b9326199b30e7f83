// Model: a loaded checkpoint and its forward pass over numpy arrays.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <exception>
#include <sstream>

#include "core/error.h"
#include "engine.h"
#include "engine_cache.h"
#include "model/model.h"
#include "model/padded.h"
#include "model/quantise.h"
#include "names.h"
#include "ops/dispatch.h"

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
  if (a.ndim() > Shape::kMaxRank) {
    fail(ErrorKind::kValue, "an array has ", a.ndim(), " dimensions; expected at most ", Shape::kMaxRank);
  }
  for (py::ssize_t i = 0; i < a.ndim(); ++i) view.shape.dims[size_t(view.shape.rank++)] = a.shape(i);
  return view;
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

std::vector<TensorEntry> entries_of(const std::vector<EntryTuple>& tensors) {
  std::vector<TensorEntry> entries;
  for (const auto& [name, path, type, shape, offset, bytes] : tensors) {
    if (shape.size() > size_t(Shape::kMaxRank)) continue;   // no weight we know has so many dimensions
    TensorEntry entry{
        .name = name, .path = path, .dtype = stored_dtype_from(type), .shape = {}, .offset = offset, .bytes = bytes};
    for (int64_t size : shape) entry.shape.dims[size_t(entry.shape.rank++)] = size;
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::unique_ptr<Model> load(const std::string& model_type, const std::string& class_name, py::dict config,
                            const std::vector<EntryTuple>& tensors, const std::string& dtype, bool optional) {
  const std::vector<TensorEntry> entries = entries_of(tensors);
  const Value settings = to_value(config);
  const Format format = weight_format("dtype", dtype);
  const ReleaseGil released;
  return std::make_unique<Model>(model_type, class_name, settings, entries, format, optional);
}

// [(name, the tensor that it replaces or "", type, shape, u8 values)]: the matrices of a class's layers as integers.
py::list quantise_tensors(const std::string& model_type, const std::string& class_name, py::dict config,
                          const std::vector<EntryTuple>& tensors, const std::string& dtype) {
  const std::vector<TensorEntry> entries = entries_of(tensors);
  const Value settings = to_value(config);
  const Format format = weight_format("dtype", dtype);
  std::vector<CodedTensor> coded;
  {
    const ReleaseGil released;
    coded = quantise(model_type, class_name, settings, entries, format);
  }
  py::list out;
  for (CodedTensor& tensor : coded) {
    auto* values = new Buffer(std::move(tensor.values));
    const py::capsule owner(values, [](void* p) { delete static_cast<Buffer*>(p); });
    std::vector<int64_t> shape(tensor.shape.dims.begin(), tensor.shape.dims.begin() + tensor.shape.rank);
    out.append(py::make_tuple(tensor.name, tensor.replaces, tensor.type, py::tuple(py::cast(shape)),
                              Array<uint8_t>(values->size(), values->as<uint8_t>(), owner)));
  }
  return out;
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
  if (!wide) fail(ErrorKind::kType, "forward: input_ids holds no integers; expected int64 or int32");
  std::vector<int32_t> out(size_t(wide.size()));
  for (size_t i = 0; i < out.size(); ++i) {
    const int64_t id = wide.data()[i];
    if (id != int32_t(id)) fail(ErrorKind::kValue, "forward: input_ids holds ", id, "; expected ids below 2147483648");
    out[i] = int32_t(id);
  }
  return out;
}

using Floats = Array<float>;
using Sizes = std::vector<py::ssize_t>;

// What a caller of forward passes, checked against the stack.
struct Arguments {
  std::optional<py::array> input_ids;
  MaybeArray<float> embeds;
  MaybeArray<uint8_t> mask;
  MaybeArray<int32_t> positions, segments, gather, languages = {};
  // Of families with remembered states and targets; see PaddedInput. remembered: [layers, batch, columns, width]
  MaybeArray<float> remembered = {};
  MaybeArray<uint8_t> pair_mask = {}, target_mask = {}, backward = {};
  MaybeArray<int32_t> targets = {};

  py::ssize_t batch = 0, length = 0;
  std::vector<int32_t> ids;   // memory of input()

  void check(const StackSpec& spec, int64_t past) {
    if (input_ids.has_value() == embeds.has_value()) {
      fail(ErrorKind::kValue, "forward: expected either input_ids or inputs_embeds, and got ",
           input_ids ? "both" : "neither");
    }
    const py::array& shaped = input_ids ? *input_ids : *embeds;
    if (shaped.ndim() != (input_ids ? 2 : 3)) {
      fail(ErrorKind::kValue, "forward: ", input_ids ? "input_ids" : "inputs_embeds", " has ", shaped.ndim(),
           " dimensions; expected ", input_ids ? "[batch, length]" : "[batch, length, width]");
    }
    batch = shaped.shape(0);
    length = shaped.shape(1);
    const py::ssize_t columns = past + length;
    expect_shape("inputs_embeds", embeds, {batch, length, py::ssize_t(spec.embed_width())});
    expect_shape("attention_mask", mask, pairs() ? Sizes{batch, length, columns} : Sizes{batch, columns});
    expect_shape("position_ids", positions, {batch, length});
    expect_shape("token_type_ids", segments, {batch, length});
    expect_shape("langs", languages, {batch, length});
    expect_shape("gather", gather, {batch});
    if (remembered)
      expect_shape("mems", remembered, {py::ssize_t(spec.layers()), batch, past, py::ssize_t(spec.width)});
    if (pair_mask && pairs()) fail(ErrorKind::kValue, "forward: attention_mask and perm_mask say both who sees whom");
    expect_shape("perm_mask", pair_mask, {batch, length, columns});
    expect_shape("backward", backward, {batch});
    check_targets(columns);
    check_gather();
    if (input_ids) ids = to_int32(*input_ids);
  }
  bool pairs() const { return mask && mask->ndim() == 3; }
  py::ssize_t target_count() const { return targets ? targets->shape(1) : 0; }
  py::ssize_t remembered_columns() const { return remembered && remembered->ndim() == 4 ? remembered->shape(2) : 0; }
  PaddedInput input() const {
    return {.batch = batch,
            .length = length,
            .ids = input_ids ? ids.data() : nullptr,
            .embeds = embeds ? embeds->data() : nullptr,
            .mask = mask && !pairs() ? mask->data() : nullptr,
            .pair_mask = pairs()     ? mask->data()
                         : pair_mask ? pair_mask->data()
                                     : nullptr,
            .remembered = remembered_columns(),
            .backward = backward ? backward->data() : nullptr,
            .target_columns = targets ? targets->data() : nullptr,
            .target_mask = target_mask ? target_mask->data() : nullptr,
            .targets = target_count(),
            .position_ids = positions ? positions->data() : nullptr,
            .segment_ids = segments ? segments->data() : nullptr,
            .language_ids = languages ? languages->data() : nullptr,
            .gather = gather ? gather->data() : nullptr};
  }

 private:
  void check_gather() const {
    if (!gather || (length == 0 && !targets)) return;   // of no token
    const py::ssize_t count = targets ? target_count() : length;
    for (py::ssize_t b = 0; b < batch; ++b) {
      if (const int32_t at = gather->data()[b]; at < 0 || at >= count)
        fail(ErrorKind::kValue, "forward: gather is ", at, " for row ", b, "; expected 0 to ", count - 1);
    }
  }
  void check_targets(py::ssize_t columns) const {
    if (!targets) return;
    if (targets->ndim() != 2 || targets->shape(0) != batch)
      fail(ErrorKind::kValue, "forward: target_mapping has another number of rows than the batch, ", batch);
    expect_shape("target_mapping", target_mask, {batch, target_count(), columns});
    for (py::ssize_t b = 0; b < batch; ++b) {
      std::vector<bool> taken(static_cast<size_t>(length));
      for (py::ssize_t i = 0; i < target_count(); ++i) {
        const int32_t column = targets->data()[b * target_count() + i];
        if (column < 0 || column >= length || taken[size_t(column)]) {
          fail(ErrorKind::kValue, "forward: target_mapping: target ", i, " of row ", b, " is column ", column,
               "; expected one of 0 to ", length - 1, " that no other has");
        }
        taken[size_t(column)] = true;
      }
    }
  }
};

// The padded results of one stack, and the packed ones they come from.
struct Results {
  const Model& model;
  const StackSpec& spec;
  py::ssize_t batch, length, columns, encoder_columns;
  bool with_heads, of_targets;   // last and heads are of the batch's targets
  Floats last;
  std::vector<Floats> states, attentions, cross_attentions, heads, target_states;
  int64_t attention_heads = 1;

  Results(const Model& model, const StackSpec& spec, const Arguments& a, py::ssize_t columns,
          py::ssize_t encoder_columns, bool with_states, bool with_attentions, bool with_heads)
      : model(model),
        spec(spec),
        batch(a.batch),
        length(a.length),
        columns(columns),
        encoder_columns(encoder_columns),
        with_heads(with_heads),
        of_targets(a.targets.has_value()),
        last(Sizes{a.batch, of_targets ? a.target_count() : a.length, py::ssize_t(spec.out_width())}) {
    for_each<AttentionSpec>(spec, [&](const AttentionSpec& attention) { attention_heads = attention.heads; });
    const auto make = [&](std::vector<Floats>& list, int64_t count, const Sizes& shape) {
      for (int64_t i = 0; i < count; ++i) list.emplace_back(shape);
    };
    make(states, with_states ? spec.layers() : 0, {batch, length, py::ssize_t(spec.width)});
    make(states, with_states ? 1 : 0, {batch, length, last.shape(2)});
    make(attentions, with_attentions ? spec.layers() : 0, {batch, py::ssize_t(attention_heads), length, columns});
    make(cross_attentions, with_attentions && encoder_columns ? spec.layers() : 0,
         {batch, py::ssize_t(attention_heads), length, encoder_columns});
    for (size_t i = 0; with_heads && i < model.heads().size(); ++i) {
      const LoadedHead& head = model.heads()[i];
      heads.emplace_back(head.spec.per_sequence() ? Sizes{batch, py::ssize_t(head.width)}
                                                  : Sizes{batch, last.shape(1), py::ssize_t(head.width)});
    }
    make(target_states, of_targets ? std::ssize(states) : 0, {batch, last.shape(1), py::ssize_t(spec.width)});
    for (auto* list : {&states, &attentions, &cross_attentions, &heads, &target_states}) {
      for (Floats& a : *list) data_.push_back(a.mutable_data());
    }
    last_data_ = last.mutable_data();
  }

  // Without the GIL: packs, calls run(packing's batch, outputs), and brings the results back.
  template <class Run>
  void compute(const PaddedInput& input, Cache* cache, const Packing* encoder, const Run& run) {
    const Packing packing(input, spec, cache);
    const int64_t rows = packing.batch().rows(), width = spec.width, last_width = spec.out_width();
    const int64_t first = of_targets ? packing.batch().tokens() : 0;   // row of `last` and of heads
    const auto unpack = [&](const float* packed, int64_t columns, float* padded) {
      of_targets ? packing.unpack_targets(packed, columns, padded) : packing.unpack_rows(packed, columns, padded);
    };
    const int64_t own = attentions.empty() ? 0 : packing.attention_size(attention_heads);
    const int64_t cross = cross_attentions.empty() ? 0 : packing.attention_size(attention_heads, encoder);
    const auto view = [](Buffer& memory, const Shape& shape) {
      memory = Buffer(std::max<int64_t>(1, shape.count()) * 4);
      return TensorView{memory.data(), DType::kF32, Device::kCpu, shape};
    };
    Buffer last_memory, state_memory, own_memory, cross_memory;
    std::vector<Buffer> head_memory(heads.size());
    Outputs out{.last_hidden = view(last_memory, {rows, last_width})};
    if (!states.empty()) out.hidden_states = view(state_memory, {int64_t(states.size()), rows, width});
    if (!attentions.empty()) out.attentions = view(own_memory, {spec.layers(), own});
    if (!cross_attentions.empty()) out.cross_attentions = view(cross_memory, {spec.layers(), cross});
    const size_t first_head = states.size() + attentions.size() + cross_attentions.size();
    std::vector<TensorView> per_sequence(heads.size());
    for (size_t i = 0; i < heads.size(); ++i) {
      const LoadedHead& head = model.heads()[i];
      if (head.spec.per_sequence()) {
        per_sequence[i] = {data_[first_head + i], DType::kF32, Device::kCpu, {batch, head.width}};
        out.heads.push_back(per_sequence[i]);
      } else {
        out.heads.push_back(view(head_memory[i], {rows - first, head.width}));
      }
    }
    run(packing, out);
    if (model.spec().encoder && &spec == &*model.spec().encoder && !heads.empty())
      pool_hidden(model, input, per_sequence);
    unpack(last_memory.as<float>() + first * last_width, last_width, last_data_);
    size_t next = 0;
    for (size_t i = 0; i < states.size(); ++i, ++next) {
      if (spec.projected && i + 1 == states.size())
        packing.unpack_rows(last_memory.as<float>(), last_width, data_[next]);
      else
        packing.unpack_rows(state_memory.as<float>() + int64_t(i) * rows * width, width, data_[next]);
    }
    for (size_t i = 0; i < attentions.size(); ++i)
      packing.unpack_attention(own_memory.as<float>() + int64_t(i) * own, attention_heads, data_[next++]);
    for (size_t i = 0; i < cross_attentions.size(); ++i)
      packing.unpack_attention(cross_memory.as<float>() + int64_t(i) * cross, attention_heads, data_[next++], encoder);
    for (size_t i = 0; i < heads.size(); ++i, ++next) {
      if (!per_sequence[i]) unpack(head_memory[i].as<float>(), model.heads()[i].width, data_[next]);
    }
    for (size_t i = 0; i < target_states.size(); ++i)
      unpack(state_memory.as<float>() + (int64_t(i) * rows + first) * width, width, data_[next++]);
  }

  py::dict give() const {
    py::dict result;
    for (size_t i = 0; i < heads.size(); ++i) result[model.heads()[i].spec.name] = heads[i];
    result["last_hidden_state"] = last;
    const auto list = [&](const char* name, const std::vector<Floats>& arrays) {
      result[name] = arrays.empty() ? py::object(py::none()) : py::object(py::cast(arrays));
    };
    list("hidden_states", states);
    if (of_targets) list("target_states", target_states);
    list("attentions", attentions);
    list("cross_attentions", cross_attentions);
    return result;
  }

 private:
  std::vector<float*> data_;
  float* last_data_;
};

py::dict encode(const Model& model, const std::optional<py::array>& input_ids, const MaybeArray<float>& embeds,
                const MaybeArray<uint8_t>& mask, const MaybeArray<int32_t>& positions,
                const MaybeArray<int32_t>& segments, const MaybeArray<int32_t>& gather, bool hidden_states,
                bool attentions, const MaybeArray<int32_t>& languages, const MaybeArray<float>& remembered,
                const MaybeArray<uint8_t>& pair_mask, const MaybeArray<int32_t>& targets,
                const MaybeArray<uint8_t>& target_mask, const MaybeArray<uint8_t>& backward) {
  if (!model.spec().encoder) fail(ErrorKind::kValue, "forward: this model has no encoder");
  const StackSpec& spec = *model.spec().encoder;
  Arguments a{input_ids, embeds,     mask,      positions,   segments, gather,
              languages, remembered, pair_mask, target_mask, backward, targets};
  if ((remembered || targets) && !spec.embed.target)
    fail(ErrorKind::kUnsupported, "forward: this model has neither mems nor target_mapping");
  if (attentions && targets)
    fail(ErrorKind::kUnsupported, "output_attentions: with target_mapping; expected one of them");
  a.check(spec, a.remembered_columns());
  Results results(model, spec, a, a.remembered_columns() + a.length, 0, hidden_states, attentions,
                  !model.spec().decoder);
  const PaddedInput input = a.input();
  const TensorView states = remembered ? view_of(*remembered) : TensorView{};
  {
    const ReleaseGil released;
    results.compute(input, nullptr, nullptr,
                    [&](const Packing& packing, const Outputs& out) { model.encode(packing.batch(), out, states); });
  }
  return results.give();
}

// A call that fails leaves the cache as it was.
class CacheGuard {
 public:
  explicit CacheGuard(Cache* cache)
      : cache_(cache), columns_(cache ? cache->columns : 0), thrown_(std::uncaught_exceptions()) {}
  ~CacheGuard() {
    if (cache_ && std::uncaught_exceptions() > thrown_) cache_->crop(columns_);
  }
  CacheGuard(const CacheGuard&) = delete;
  CacheGuard& operator=(const CacheGuard&) = delete;

 private:
  Cache* cache_;
  int64_t columns_;
  int thrown_;
};

py::dict decode(const Model& model, const std::optional<py::array>& input_ids, const MaybeArray<float>& embeds,
                const MaybeArray<uint8_t>& mask, const MaybeArray<int32_t>& positions,
                const MaybeArray<int32_t>& gather, Cache* cache, const MaybeArray<float>& encoder_states,
                const MaybeArray<uint8_t>& encoder_mask, bool hidden_states, bool attentions,
                const MaybeArray<int32_t>& segments) {
  if (!model.spec().decoder) fail(ErrorKind::kValue, "forward: this model has no decoder");
  const StackSpec& spec = *model.spec().decoder;
  if (cache && cache->model != model.id()) {
    fail(ErrorKind::kValue, "forward: the cache was made by another model; expected one of this model");
  }
  const Busy busy(cache);
  Arguments a{input_ids, embeds, mask, positions, segments, gather};
  const int64_t past = cache ? cache->columns : 0;
  a.check(spec, past);
  py::ssize_t encoder_columns = 0;
  if (model.spec().encoder) {
    if (!encoder_states) fail(ErrorKind::kValue, "forward: expected the encoder's states");
    if (encoder_states->ndim() != 3) {
      fail(ErrorKind::kValue, "forward: encoder_outputs has ", encoder_states->ndim(),
           " dimensions; expected [batch, length, width]");
    }
    encoder_columns = encoder_states->shape(1);
    expect_shape("encoder_outputs", encoder_states,
                 {a.batch, encoder_columns, py::ssize_t(model.spec().encoder->width)});
    expect_shape("encoder_attention_mask", encoder_mask, {a.batch, encoder_columns});
  }
  Results results(model, spec, a, past + a.length, encoder_columns, hidden_states, attentions, true);
  const PaddedInput input = a.input();
  const PaddedInput states{.batch = a.batch,
                           .length = encoder_columns,
                           .embeds = encoder_states ? encoder_states->data() : nullptr,
                           .mask = encoder_mask ? encoder_mask->data() : nullptr};
  {
    const ReleaseGil released;
    std::optional<Packing> encoder;
    if (model.spec().encoder) encoder.emplace(states, *model.spec().encoder);
    const CacheGuard guard(cache);
    results.compute(input, cache, encoder ? &*encoder : nullptr, [&](const Packing& packing, const Outputs& out) {
      Model::Decoding decoding{.cache = cache, .states = {}, .starts = {}, .columns = {}, .past = packing.past()};
      if (encoder) {
        decoding.states = encoder->batch().embeds;
        decoding.starts = encoder->batch().cu_seqlens;
        decoding.columns = encoder->key_columns();
      }
      model.decode(packing.batch(), decoding, out);
    });
  }
  return results.give();
}

Batch packed_batch(const Array<int32_t>& ids, const Array<int32_t>& cu_seqlens, const MaybeArray<int32_t>& segments) {
  Batch batch{.cu_seqlens = view_of(cu_seqlens), .ids = view_of(ids)};
  if (segments) batch.segment_ids = view_of(*segments);
  return batch;
}

// By the encoder or, of a decoder's family, by the decoder.
void run_alone(const Model& model, const Batch& batch, const Outputs& out) {
  const ReleaseGil released;
  if (model.spec().encoder)
    model.encode(batch, out);
  else
    model.decode(batch, {}, out);
}

Array<float> forward_packed(const Model& model, const Array<int32_t>& ids, const Array<int32_t>& cu_seqlens,
                            const MaybeArray<int32_t>& segments) {
  const Batch batch = packed_batch(ids, cu_seqlens, segments);
  Array<float> last(std::vector<py::ssize_t>{ids.size(), py::ssize_t(model.last().out_width())});
  run_alone(model, batch, {.last_hidden = view_of(last)});
  return last;
}

Array<float> embed(const Model& model, const Array<int32_t>& ids, const Array<int32_t>& cu_seqlens,
                   const std::string& pooling, bool normalize, const MaybeArray<int32_t>& segments) {
  const Batch batch = packed_batch(ids, cu_seqlens, segments);
  const py::ssize_t sequences = std::max<py::ssize_t>(cu_seqlens.size() - 1, 0);
  Array<float> pooled(std::vector<py::ssize_t>{sequences, py::ssize_t(model.last().out_width())});
  const Outputs out{.pooled = view_of(pooled), .pool = pool_kind(pooling), .normalize = normalize};
  run_alone(model, batch, out);
  return pooled;
}

// How far tokens of a stack see in the layers that see least.
std::optional<int64_t> window_of(const std::optional<StackSpec>& stack) {
  std::optional<int64_t> window;
  if (!stack) return window;
  for_each<AttentionSpec>(*stack, [&](const AttentionSpec& a) {
    if (a.see.window >= 0) window = std::min(window.value_or(a.see.window), a.see.window);
  });
  return window;
}

}  // namespace

void bind_model(py::module_& m) {
  m.def("quantise", &quantise_tensors, py::arg("model_type"), py::arg("class_name"), py::arg("config"),
        py::arg("tensors"), py::arg("dtype"));
  py::class_<Cache>(m, "Cache")
      .def("copy",
           [](Cache& c) {
             const Busy busy(&c);
             return std::make_unique<Cache>(c);
           })
      .def(
          "crop",
          [](Cache& c, int64_t columns) {
            const Busy busy(&c);
            c.crop(columns);
          },
          py::arg("columns"))
      .def(
          "reorder",
          [](Cache& c, const std::vector<int64_t>& rows) {
            const Busy busy(&c);
            c.reorder(rows);
          },
          py::arg("rows"))
      .def_readonly("columns", &Cache::columns)
      .def_property_readonly("rows",
                             [](Cache& c) {
                               const Busy busy(&c);
                               return c.own.sequences();
                             })
      .def_property_readonly("nbytes", [](Cache& c) {
        const Busy busy(&c);
        return c.own.bytes() + c.encoder.bytes();
      });
  py::class_<Model>(m, "Model")
      .def(py::init(&load), py::arg("model_type"), py::arg("class_name"), py::arg("config"), py::arg("tensors"),
           py::arg("dtype"), py::arg("optional") = true)
      .def("encode", &encode, py::arg("input_ids"), py::arg("inputs_embeds"), py::arg("attention_mask"),
           py::arg("position_ids"), py::arg("token_type_ids"), py::arg("gather"), py::arg("hidden_states"),
           py::arg("attentions"), py::arg("language_ids") = py::none(), py::arg("remembered") = py::none(),
           py::arg("pair_mask") = py::none(), py::arg("targets") = py::none(), py::arg("target_mask") = py::none(),
           py::arg("backward") = py::none())
      .def("decode", &decode, py::arg("input_ids"), py::arg("inputs_embeds"), py::arg("attention_mask"),
           py::arg("position_ids"), py::arg("gather"), py::arg("cache"), py::arg("encoder_states"),
           py::arg("encoder_mask"), py::arg("hidden_states"), py::arg("attentions"),
           py::arg("token_type_ids") = py::none())
      .def("new_cache", [](const Model& m) { return std::make_unique<Cache>(m.new_cache()); })
      .def("forward_packed", &forward_packed, py::arg("ids").noconvert(), py::arg("cu_seqlens").noconvert(),
           py::arg("token_type_ids") = py::none())
      .def("embed", &embed, py::arg("ids").noconvert(), py::arg("cu_seqlens").noconvert(), py::arg("pooling"),
           py::arg("normalize"), py::arg("token_type_ids") = py::none())
      .def_property_readonly("dtype", [](const Model& m) { return name_of(m.format()); })
      .def_property_readonly("activation", [](const Model& m) { return name_of(format_of(m.dtype())); })
      .def_property("rounds_cache", &Model::rounds_cache, &Model::round_cache)
      .def_property_readonly("width", [](const Model& m) { return m.last().width; })
      .def_property_readonly("out_width", [](const Model& m) { return m.last().out_width(); })
      .def_property_readonly("embed_width", [](const Model& m) { return m.last().embed_width(); })
      .def_property_readonly("layers", [](const Model& m) { return m.last().layers(); })
      .def_property_readonly("heads",
                             [](const Model& m) {
                               int64_t heads = 0;
                               for_each<AttentionSpec>(m.last(), [&](const AttentionSpec& a) { heads = a.heads; });
                               return heads;
                             })
      .def_property_readonly("vocab_size", [](const Model& m) { return m.last().embed.vocab; })
      .def_property_readonly("encoder_window", [](const Model& m) { return window_of(m.spec().encoder); })
      .def_property_readonly("counts_shown",
                             [](const Model& m) {
                               const auto& decoder = m.spec().decoder;
                               return decoder && decoder->embed.positions && decoder->embed.positions->of_shown;
                             })
      .def_property_readonly("decoder_window", [](const Model& m) { return window_of(m.spec().decoder); })
      .def_property_readonly("has_encoder", [](const Model& m) { return m.spec().encoder.has_value(); })
      .def_property_readonly("has_decoder", [](const Model& m) { return m.spec().decoder.has_value(); })
      .def_property_readonly(
          "max_length",
          [](const Model& m) { return m.last().max_length ? std::optional(m.last().max_length) : std::nullopt; })
      .def_property_readonly("outputs",
                             [](const Model& m) {
                               std::vector<std::string> names;
                               for (const LoadedHead& head : m.heads()) names.push_back(head.spec.name);
                               return names;
                             })
      .def_property_readonly("missing", &Model::missing)
      .def_property_readonly("nbytes", &Model::bytes);
}
