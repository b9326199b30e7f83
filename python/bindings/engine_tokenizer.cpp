// Tokenizer and Batch: strings in, token ids out, as numpy arrays or lists.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "core/parallel.h"
#include "engine.h"
#include "strings.h"
#include "text/batch.h"
#include "text/decode_stream.h"
#include "text/models/merge_rules.h"
#include "text/tokenizer.h"

using namespace fastplm;
using text::Batch;
using text::BatchOptions;
using text::Sequences;
using text::Tokenizer;
using text::Vocabulary;

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;

// The sequences of a list of str, or of lists of str if `words`. `keep` holds the references that keep their
// bytes alive while no lock protects the lists.
static Sequences read_sequences(py::handle list, bool words, const char* name, std::vector<py::object>& keep) {
  Sequences result;
  result.words = words;
  const auto items = py::reinterpret_steal<py::tuple>(PySequence_Tuple(list.ptr()));
  if (!items) throw py::error_already_set();
  keep.push_back(items);
  for (size_t i = 0; i < items.size(); ++i) {
    const auto where = [&] { return std::string(name) + " " + std::to_string(i); };
    const py::handle item = PyTuple_GET_ITEM(items.ptr(), Py_ssize_t(i));
    if (!words) {
      result.pieces.push_back(utf8_of(item, where));
    } else {
      if (!PyList_Check(item.ptr()) && !PyTuple_Check(item.ptr())) {
        fail(ErrorKind::kType, where(), " is a ", type_name(item), "; expected a list of words (is_split_into_words)");
      }
      const auto pieces = py::reinterpret_steal<py::tuple>(PySequence_Tuple(item.ptr()));
      keep.push_back(pieces);
      for (size_t j = 0; j < pieces.size(); ++j) {
        const auto where_word = [&] { return where() + ", word " + std::to_string(j); };
        result.pieces.push_back(utf8_of(PyTuple_GET_ITEM(pieces.ptr(), Py_ssize_t(j)), where_word));
      }
    }
    result.begin.push_back(int64_t(result.pieces.size()));
  }
  return result;
}

static text::Truncation truncation_from(const std::string& name) {
  if (name == "do_not_truncate") return text::Truncation::kNone;
  if (name == "longest_first") return text::Truncation::kLongestFirst;
  if (name == "only_first") return text::Truncation::kOnlyFirst;
  if (name == "only_second") return text::Truncation::kOnlySecond;
  fail(ErrorKind::kValue, "truncation is \"", name,
       "\"; expected longest_first, only_first, only_second or do_not_truncate");
}

template <class T>
static std::span<const T> span_of(const Array<T>& values) {
  return {values.data(), size_t(values.size())};
}

static Vocabulary make_vocabulary(const py::bytes& bytes, const Array<int64_t>& begins, const Array<int64_t>& ends,
                                  const Array<int32_t>& ids) {
  const auto view = bytes.cast<std::string_view>();
  std::vector<int32_t> numbers(ids.data(), ids.data() + ids.size());
  const ReleaseGil release;
  return Vocabulary::gather(view, span_of(begins), span_of(ends), std::move(numbers));
}

static std::unique_ptr<Tokenizer> make_tokenizer(py::handle settings, const Vocabulary& vocabulary) {
  const Value tree = to_value(settings);
  const ReleaseGil release;
  return std::make_unique<Tokenizer>(tree, vocabulary);
}

template <class T>
static py::array_t<T> array_of(const std::vector<T>& values) {
  return py::array_t<T>(py::ssize_t(values.size()), values.data());
}

static std::unique_ptr<Batch> encode(const Tokenizer& tokenizer, py::handle texts, py::handle pairs, bool words,
                                     bool add_special_tokens, const std::string& truncation, int64_t max_length,
                                     int64_t stride, bool truncate_left, bool overflow, bool align,
                                     bool split_special_tokens) {
  std::vector<py::object> keep;
  const Sequences first = read_sequences(texts, words, "text", keep);
  const bool paired = !pairs.is_none();
  const Sequences second = paired ? read_sequences(pairs, words, "text_pair", keep) : Sequences{};
  const BatchOptions options{.add_special_tokens = add_special_tokens,
                             .align = align,
                             .overflow = overflow,
                             .split_special_tokens = split_special_tokens,
                             .truncation = truncation_from(truncation),
                             .max_length = max_length,
                             .stride = stride,
                             .truncate_left = truncate_left};
  const ReleaseGil release;
  return std::make_unique<Batch>(text::encode(tokenizer, first, paired ? &second : nullptr, options));
}

// --- what a batch gives out -------------------------------------------------------------------------

namespace {

// One field of a batch, per token, padding included.
struct Field {
  enum Kind { kIds, kTypes, kAttention, kSpecial, kOffsets, kWords, kSequences } kind;
  int64_t padding;   // the value at padded positions
  int width = 1;

  Field(const std::string& name, int64_t pad_id, int64_t pad_type_id) {
    struct Row {
      const char* name;
      Kind kind;
      int64_t padding;
    };
    const Row rows[] = {{"input_ids", kIds, pad_id},       {"token_type_ids", kTypes, pad_type_id},
                        {"attention_mask", kAttention, 0}, {"special_tokens_mask", kSpecial, 1},
                        {"offset_mapping", kOffsets, 0},   {"word_ids", kWords, -1},
                        {"sequence_ids", kSequences, -1}};
    for (const Row& row : rows) {
      if (name != row.name) continue;
      kind = row.kind;
      padding = row.padding;
      width = kind == kOffsets ? 2 : 1;
      return;
    }
    fail(ErrorKind::kInternal, "no field is called ", name);
  }

  // Writes row `row`, padded to `length` tokens.
  void write(const Batch& batch, int64_t row, int64_t length, bool left, int64_t* out) const {
    const int64_t begin = batch.row_begin[row], count = batch.length(row);
    const int64_t pad = std::max<int64_t>(length - count, 0);
    std::fill_n(left ? out : out + count * width, pad * width, padding);
    if (left) out += pad * width;
    switch (kind) {
      case kIds: std::copy_n(batch.ids.data() + begin, count, out); return;
      case kAttention: std::fill_n(out, count, 1); return;
      case kWords: std::copy_n(batch.words.data() + begin, count, out); return;
      case kOffsets:
        for (int64_t i = begin; i < begin + count; ++i) {
          *out++ = batch.spans[i].begin;
          *out++ = batch.spans[i].end;
        }
        return;
      case kTypes:
      case kSpecial:
      case kSequences:
        for (int64_t part = batch.part_begin[row]; part < batch.part_begin[row + 1]; ++part) {
          const Batch::Part& p = batch.parts[part];
          const int64_t value = kind == kTypes ? p.type_id : kind == kSpecial ? p.sequence < 0 : p.sequence;
          out = std::fill_n(out, p.count, value);
        }
        return;
    }
  }
};

}  // namespace

static int64_t longest(const Batch& batch) {
  int64_t length = 0;
  for (int64_t row = 0; row < batch.rows(); ++row) length = std::max(length, batch.length(row));
  return length;
}

static int64_t shortest(const Batch& batch) {
  int64_t length = batch.rows() > 0 ? batch.length(0) : 0;
  for (int64_t row = 1; row < batch.rows(); ++row) length = std::min(length, batch.length(row));
  return length;
}

static py::array padded(const Batch& batch, const std::string& name, int64_t length, bool left, int64_t pad_id,
                        int64_t pad_type_id) {
  const Field field(name, pad_id, pad_type_id);
  if (longest(batch) > length) fail(ErrorKind::kInternal, "a row is longer than the padded length ", length);
  std::vector<py::ssize_t> shape{batch.rows(), length};
  if (field.width > 1) shape.push_back(field.width);
  py::array_t<int64_t> result(shape);
  int64_t* const out = result.mutable_data();
  const ReleaseGil release;
  parallel_for(batch.rows(), 256, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) field.write(batch, row, length, left, out + row * length * field.width);
  });
  return result;
}

static py::list list_of(const int64_t* values, int64_t count, int width) {
  py::list result{size_t(count)};
  for (int64_t i = 0; i < count; ++i) {
    py::object item = width == 1 ? py::object(py::int_(values[i])) : py::make_tuple(values[2 * i], values[2 * i + 1]);
    PyList_SET_ITEM(result.ptr(), i, item.release().ptr());
  }
  return result;
}

// Row `row` as a list, padded to `length` tokens if it is shorter.
static py::list row_list(const Batch& batch, int64_t row, const Field& field, int64_t length, bool left) {
  const int64_t count = std::max(batch.length(row), length);
  std::vector<int64_t> values(size_t(count * field.width));
  field.write(batch, row, length, left, values.data());
  return list_of(values.data(), count, field.width);
}

// An array over memory that `owner` frees.
template <class T>
static py::array_t<T> array_over(T* data, int64_t count) {
  return py::array_t<T>(count, data, py::capsule(data, std::free));
}

static py::tuple packed(Batch& batch) {
  const int64_t total = batch.ids.size();
  if (total > INT32_MAX) {
    fail(ErrorKind::kValue, "encode_packed: ", total, " tokens; expected at most ", INT32_MAX,
         ": pass fewer texts at once");
  }
  py::array_t<int32_t> cu_seqlens(batch.rows() + 1);
  std::copy(batch.row_begin.begin(), batch.row_begin.end(), cu_seqlens.mutable_data());
  if (total == 0) return py::make_tuple(py::array_t<int32_t>(0), cu_seqlens);
  return py::make_tuple(array_over(batch.ids.release(), total), cu_seqlens);
}

static py::array_t<int32_t> packed_types(const Batch& batch) {
  py::array_t<int32_t> types(batch.row_begin.back());
  int32_t* out = types.mutable_data();
  for (const Batch::Part& part : batch.parts) out = std::fill_n(out, part.count, part.type_id);
  return types;
}

// For pickle: the memory of each array, and what is written otherwise.
template <class T>
static py::bytes bytes_of(const T* data, int64_t count) {
  return py::bytes(reinterpret_cast<const char*>(data), size_t(count) * sizeof(T));
}

template <class T>
static std::vector<T> vector_of(const py::handle& bytes) {
  const auto view = bytes.cast<std::string_view>();
  std::vector<T> values(view.size() / sizeof(T));
  std::memcpy(values.data(), view.data(), values.size() * sizeof(T));
  return values;
}

static py::tuple state_of(const Batch& b) {
  const auto bytes = [](const auto& values) { return bytes_of(values.data(), int64_t(values.size())); };
  py::list written;
  for (const auto& [place, token] : b.written) written.append(py::make_tuple(place, str_of(token)));
  return py::make_tuple(bytes(b.ids), bytes(b.row_begin), bytes(b.parts), bytes(b.part_begin), bytes(b.sample),
                        bytes(b.spans), bytes(b.words), written);
}

static std::unique_ptr<Batch> batch_of(const py::tuple& state) {
  auto batch = std::make_unique<Batch>();
  const std::vector<int32_t> ids = vector_of<int32_t>(state[0]);
  batch->ids.append(ids.data(), int64_t(ids.size()));
  batch->row_begin = vector_of<int64_t>(state[1]);
  batch->parts = vector_of<Batch::Part>(state[2]);
  batch->part_begin = vector_of<int64_t>(state[3]);
  batch->sample = vector_of<int32_t>(state[4]);
  batch->spans = vector_of<text::Span>(state[5]);
  batch->words = vector_of<int32_t>(state[6]);
  for (py::handle entry : state[7].cast<py::list>()) {
    const auto pair = entry.cast<py::tuple>();
    batch->written.emplace_back(pair[0].cast<int64_t>(), pair[1].cast<std::string>());
  }
  return batch;
}

static void bind_vocabulary(py::module_& m) {
  py::class_<Vocabulary>(m, "Vocabulary")
      .def(py::init(&make_vocabulary), py::arg("bytes"), py::arg("begins"), py::arg("ends"), py::arg("ids"))
      .def("__len__", &Vocabulary::size)
      .def("id_of",
           [](const Vocabulary& v, py::handle token) -> std::optional<int32_t> {
             const int32_t id = v.id_of(utf8_of(token, [] { return std::string("token"); }));
             if (id < 0) return std::nullopt;
             return id;
           })
      .def("tokens",
           [](const Vocabulary& v) {
             py::list result{size_t(v.size())};
             for (int64_t i = 0; i < v.size(); ++i)
               PyList_SET_ITEM(result.ptr(), i, str_of(v.token(i)).release().ptr());
             return result;
           })
      .def("ids", [](const Vocabulary& v) { return array_of(v.ids()); })
      .def("parts",
           [](const Vocabulary& v) {
             return py::make_tuple(py::bytes(v.bytes()), array_of(v.offsets()), array_of(v.ids()));
           })
      .def(
          "merge_sides",
          [](const Vocabulary& v, const py::bytes& bytes, const Array<int64_t>& begins, const Array<int64_t>& ends) {
            const auto view = bytes.cast<std::string_view>();
            std::vector<int32_t> sides;
            {
              const ReleaseGil release;
              sides = text::merge_sides(v, view, span_of(begins), span_of(ends));
            }
            return array_of(sides);
          },
          py::arg("bytes"), py::arg("begins"), py::arg("ends"))
      .def(
          "merge_rules",
          [](const Vocabulary& v, const Array<int32_t>& sides, int64_t prefix) {
            std::vector<int32_t> rules;
            {
              const ReleaseGil release;
              rules = text::merge_rules(v, span_of(sides), prefix);
            }
            return array_of(rules);
          },
          py::arg("sides"), py::arg("prefix"));
}

void bind_tokenizer(py::module_& m) {
  bind_vocabulary(m);
  py::class_<Tokenizer>(m, "Tokenizer")
      .def(py::init(&make_tokenizer), py::arg("settings"), py::arg("vocabulary"))
      .def(
          "with_settings",
          [](const Tokenizer& t, py::handle settings) {
            const Value tree = to_value(settings);
            const ReleaseGil release;
            return std::make_unique<Tokenizer>(t, tree);
          },
          py::arg("settings"))
      .def("encode", &encode, py::arg("texts"), py::arg("pairs"), py::kw_only(), py::arg("words"),
           py::arg("add_special_tokens"), py::arg("truncation"), py::arg("max_length"), py::arg("stride"),
           py::arg("truncate_left"), py::arg("overflow"), py::arg("align"), py::arg("split_special_tokens"))
      .def("decode",
           [](const Tokenizer& t, const std::vector<int64_t>& ids, bool skip_special_tokens) {
             std::vector<int32_t> known;   // an id that no token can have is left out like any other unknown one
             for (int64_t id : ids) {
               if (id >= 0 && id <= INT32_MAX) known.push_back(int32_t(id));
             }
             std::string text;
             {
               const ReleaseGil release;
               text = t.decode(known.data(), int64_t(known.size()), skip_special_tokens);
             }
             return str_of(text);
           })
      .def("join",
           [](const Tokenizer& t, std::vector<std::string> tokens) { return str_of(t.decode(std::move(tokens))); })
      .def("id_of",
           [](const Tokenizer& t, py::handle token) -> std::optional<int32_t> {
             const int32_t id = t.id_of(utf8_of(token, [] { return std::string("token"); }));
             if (id < 0) return std::nullopt;
             return id;
           })
      .def("token_of",
           [](const Tokenizer& t, int64_t id) -> py::object {
             std::string_view token;
             if (id < 0 || id > INT32_MAX || !t.find(int32_t(id), &token)) return py::none();
             return str_of(token);
           })
      .def("special_count", [](const Tokenizer& t, bool pair) { return t.post_processor().added(pair); })
      .def("added_tokens",
           [](const Tokenizer& t) {
             py::dict result;   // id -> flags
             for (const auto& [id, token] : t.added_tokens().by_id()) {
               result[py::int_(id)] =
                   py::dict(py::arg("content") = token.content, py::arg("single_word") = token.single_word,
                            py::arg("lstrip") = token.lstrip, py::arg("rstrip") = token.rstrip,
                            py::arg("normalized") = token.normalized, py::arg("special") = token.special);
             }
             return result;
           })
      .def("vocabulary",
           [](const Tokenizer& t) {
             py::dict result;
             for (int64_t i = 0; i < t.vocabulary().size(); ++i)
               result[str_of(t.vocabulary().token(i))] = t.vocabulary().id(i);
             return result;
           })
      .def_property_readonly("vocabulary_size", [](const Tokenizer& t) { return t.vocabulary().size(); });

  using text::DecodeStream;
  py::class_<DecodeStream>(m, "DecodeStream")
      .def(py::init<bool>(), py::arg("skip_special_tokens"))
      .def("step", [](DecodeStream& stream, const Tokenizer& t, int64_t id) -> py::object {
        if (id < 0 || id > INT32_MAX) return py::none();
        const std::optional<std::string> text = stream.step(t, int32_t(id));
        return text ? py::object(str_of(*text)) : py::none();
      });

  py::class_<Batch>(m, "Batch")
      .def(py::pickle(&state_of, &batch_of))
      .def_property_readonly("rows", &Batch::rows)
      .def_property_readonly("longest", &longest)
      .def_property_readonly("shortest", &shortest)
      .def_property_readonly("aligned", [](const Batch& b) { return !b.spans.empty() || b.ids.size() == 0; })
      .def("lengths",
           [](const Batch& b) {
             py::list result;
             for (int64_t row = 0; row < b.rows(); ++row) result.append(b.length(row));
             return result;
           })
      .def("samples", [](const Batch& b) { return py::cast(b.sample); })
      .def("padded", &padded, py::arg("field"), py::arg("length"), py::arg("left"), py::arg("pad_id"),
           py::arg("pad_type_id"))
      .def("row",
           [](const Batch& b, int64_t row, const std::string& name, int64_t length, bool left, int64_t pad_id,
              int64_t pad_type_id) {
             if (row < 0 || row >= b.rows()) fail(ErrorKind::kInternal, "row ", row, " of ", b.rows());
             return row_list(b, row, Field(name, pad_id, pad_type_id), length, left);
           })
      .def("written",
           [](const Batch& b, int64_t row) {   // place in the row, without padding -> text
             if (row < 0 || row >= b.rows()) fail(ErrorKind::kInternal, "row ", row, " of ", b.rows());
             const auto from = [&](int64_t place) {
               return std::lower_bound(b.written.begin(), b.written.end(), place,
                                       [](const auto& entry, int64_t wanted) { return entry.first < wanted; });
             };
             py::dict result;
             for (auto at = from(b.row_begin[row]); at != from(b.row_begin[row + 1]); ++at)
               result[py::int_(at->first - b.row_begin[row])] = str_of(at->second);
             return result;
           })
      .def("lists",
           [](const Batch& b, const std::string& name, int64_t length, bool left, int64_t pad_id, int64_t pad_type_id) {
             const Field field(name, pad_id, pad_type_id);
             py::list result;
             for (int64_t row = 0; row < b.rows(); ++row) result.append(row_list(b, row, field, length, left));
             return result;
           })
      .def("packed", &packed)   // hands the ids over: the batch has none afterwards
      .def("packed_types", &packed_types);
}
