// The _engine module: stateful objects. Its parts are bound in engine_<part>.cpp.
#include "engine.h"

#include "core/error.h"
#include "core/parallel.h"
#include "errors.h"
#include "strings.h"

using namespace fastplm;

static constexpr int kMaxDepth = 200;   // nesting of settings; real files stay under 10

// Long lists of numbers come as arrays of int32 or float64 in a row.
static Value numbers_of(const py::buffer_info& info) {
  const bool in_a_row = info.ndim == 1 && (info.size < 2 || info.strides[0] == info.itemsize);
  if (in_a_row && info.format == "i") {
    const auto* first = static_cast<const int32_t*>(info.ptr);
    return Value::Integers(first, first + info.size);
  }
  if (in_a_row && info.format == "d") {
    const auto* first = static_cast<const double*>(info.ptr);
    return Value::Array(first, first + info.size);
  }
  fail(ErrorKind::kType, "settings hold an array of ", info.ndim, " dimensions and type ", info.format,
       "; expected one of int32 or float64 in a row");
}

static std::string text_of(py::handle o) {
  return std::string(utf8_of(o, [] { return std::string("a text in the settings"); }));
}

static Value to_value_at(py::handle o, int depth) {
  if (depth > kMaxDepth) fail(ErrorKind::kFile, "settings are nested more than ", kMaxDepth, " levels deep");
  if (o.is_none()) return {};
  if (py::isinstance<py::bool_>(o)) return o.cast<bool>();
  if (py::isinstance<py::int_>(o)) {
    int overflow = 0;
    const int64_t value = PyLong_AsLongLongAndOverflow(o.ptr(), &overflow);
    return overflow ? Value(overflow * 1e300) : Value(value);
  }
  if (py::isinstance<py::float_>(o)) return o.cast<double>();
  if (py::isinstance<py::str>(o)) return text_of(o);
  if (py::isinstance<py::list>(o) || py::isinstance<py::tuple>(o)) {
    Value::Array items;
    for (py::handle item : o) items.push_back(to_value_at(item, depth + 1));
    return items;
  }
  if (py::isinstance<py::dict>(o)) {
    Value::Object members;
    for (auto [key, item] : py::reinterpret_borrow<py::dict>(o)) {
      members.emplace_back(text_of(key), to_value_at(item, depth + 1));
    }
    return members;
  }
  if (PyObject_CheckBuffer(o.ptr())) return numbers_of(py::reinterpret_borrow<py::buffer>(o).request());
  fail(ErrorKind::kType, "settings hold a ", std::string(py::str(py::type::of(o))), "; expected plain JSON values");
}

Value to_value(py::handle object) { return to_value_at(object, 0); }

PYBIND11_MODULE(_engine, m, py::mod_gil_not_used()) {
  m.doc() = "fastplm's native engine. Use the names of the fastplm package instead.";
  py::register_local_exception_translator([](std::exception_ptr thrown) { translate(thrown); });
  set_interrupt_check(signal_raised);
  bind_runtime(m);
  bind_tokenizer(m);
  bind_training(m);
  bind_family(m);
  bind_model(m);
  bind_describe(m);
  bind_generate(m);
  bind_requests(m);
}
