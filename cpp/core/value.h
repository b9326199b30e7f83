// A small tree of plain settings: what Python parsed from a JSON file, and nothing more.
//
// Accessors throw Error(kFile) naming the setting, what was found and what is expected, so that the
// code that reads settings needs no checks of its own. Python `bool` is never accepted as a number.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
#include "core/error.h"

namespace fastplm {

class FASTPLM_EXPORT Value {
 public:
  using Array = std::vector<Value>;
  using Object = std::vector<std::pair<std::string, Value>>;   // in file order
  using Integers = std::vector<int32_t>;                         // a long list of them, from an array('i')

  Value() = default;   // null
  Value(bool v) : data_(v) {}
  Value(int64_t v) : data_(v) {}
  Value(double v) : data_(v) {}
  Value(std::string v) : data_(std::move(v)) {}
  Value(Array v) : data_(std::move(v)) {}
  Value(Object v) : data_(std::move(v)) {}
  Value(Integers v) : data_(std::move(v)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(data_); }
  bool is_object() const { return std::holds_alternative<Object>(data_); }
  bool is_array() const { return std::holds_alternative<Array>(data_); }
  bool is_string() const { return std::holds_alternative<std::string>(data_); }

  // This node as a type; `path` names it in the message.
  bool boolean(std::string_view path) const;
  int64_t integer(std::string_view path) const;
  double number(std::string_view path) const;   // an integer is a number too
  const std::string& string(std::string_view path) const;
  const Array& array(std::string_view path) const;
  const Object& object(std::string_view path) const;
  const Integers& integers(std::string_view path) const;

  // A member of this object. find() gives null for a missing or null member.
  const Value* find(std::string_view key) const;
  const Value& at(std::string_view key) const;
  bool has(std::string_view key) const { return find(key) != nullptr; }
  bool is_null(std::string_view key) const;   // the member is there, and null

  // Required member, and member with a default (used when missing or null).
  int64_t i(std::string_view key) const { return at(key).integer(key); }
  int64_t i(std::string_view key, int64_t fallback) const {
    auto* v = find(key);
    return v ? v->integer(key) : fallback;
  }
  double d(std::string_view key) const { return at(key).number(key); }
  double d(std::string_view key, double fallback) const {
    auto* v = find(key);
    return v ? v->number(key) : fallback;
  }
  bool b(std::string_view key) const { return at(key).boolean(key); }
  bool b(std::string_view key, bool fallback) const {
    auto* v = find(key);
    return v ? v->boolean(key) : fallback;
  }
  const std::string& s(std::string_view key) const { return at(key).string(key); }
  std::string s(std::string_view key, std::string_view fallback) const {
    auto* v = find(key);
    return v ? v->string(key) : std::string(fallback);
  }

  // A required integer in [low, high]: sizes and counts.
  int64_t i_in(std::string_view key, int64_t low, int64_t high) const;
  int64_t i_in(std::string_view key, int64_t fallback, int64_t low, int64_t high) const;

  std::string describe() const;   // short, for messages: `"64"`, `-1`, `a list of 3`

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object, Integers> data_;
};

}  // namespace fastplm
