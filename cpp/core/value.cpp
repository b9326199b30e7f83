#include "core/value.h"

namespace fastplm {

template <class T>
static const T& expect(const T* found, const Value& value, std::string_view path, const char* wanted) {
  if (found) return *found;
  fail(ErrorKind::kFile, '"', path, "\" is ", value.describe(), "; expected ", wanted);
}

bool Value::boolean(std::string_view path) const {
  return expect(std::get_if<bool>(&data_), *this, path, "true or false");
}

int64_t Value::integer(std::string_view path) const {
  return expect(std::get_if<int64_t>(&data_), *this, path, "an integer");
}

double Value::number(std::string_view path) const {
  if (auto* integer = std::get_if<int64_t>(&data_)) return double(*integer);
  return expect(std::get_if<double>(&data_), *this, path, "a number");
}

const std::string& Value::string(std::string_view path) const {
  return expect(std::get_if<std::string>(&data_), *this, path, "a string");
}

const Value::Array& Value::array(std::string_view path) const {
  return expect(std::get_if<Array>(&data_), *this, path, "a list");
}

const Value::Object& Value::object(std::string_view path) const {
  return expect(std::get_if<Object>(&data_), *this, path, "an object");
}

const Value::Integers& Value::integers(std::string_view path) const {
  return expect(std::get_if<Integers>(&data_), *this, path, "an array of integers");
}

const Value* Value::find(std::string_view key) const {
  for (const auto& [name, value] : object("settings")) {
    if (name == key) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

bool Value::is_null(std::string_view key) const {
  for (const auto& [name, value] : object("settings")) {
    if (name == key) return value.is_null();
  }
  return false;
}

const Value& Value::at(std::string_view key) const {
  if (const Value* value = find(key)) return *value;
  fail(ErrorKind::kFile, '"', key, "\" is missing; it is required");
}

static int64_t in_range(int64_t value, std::string_view key, int64_t low, int64_t high) {
  if (value >= low && value <= high) return value;
  fail(ErrorKind::kFile, '"', key, "\" is ", value, "; expected ", low, " to ", high);
}

int64_t Value::i_in(std::string_view key, int64_t low, int64_t high) const { return in_range(i(key), key, low, high); }

int64_t Value::i_in(std::string_view key, int64_t fallback, int64_t low, int64_t high) const {
  return in_range(i(key, fallback), key, low, high);
}

std::string Value::describe() const {
  struct {
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const {
      std::ostringstream out;
      out << v;
      return out.str();
    }
    std::string operator()(const std::string& v) const {
      return '"' + (v.size() <= 60 ? v : v.substr(0, 60) + "...") + '"';
    }
    std::string operator()(const Array& v) const { return "a list of " + std::to_string(v.size()); }
    std::string operator()(const Integers& v) const { return "an array of " + std::to_string(v.size()); }
    std::string operator()(const Object& v) const { return "an object of " + std::to_string(v.size()); }
  } visitor;
  return std::visit(visitor, data_);
}

}  // namespace fastplm
