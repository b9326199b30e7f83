// Hash maps by token and by id. Their hash functions are types of this library: what the compiler makes of
// the maps then stays inside it, where a map of std types alone would be exported for everybody's use.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

namespace fastplm::text {

struct TokenHash {
  using is_transparent = void;  // find() takes a string_view
  std::size_t operator()(std::string_view token) const { return std::hash<std::string_view>{}(token); }
};
struct IdHash {
  std::size_t operator()(int32_t id) const { return std::size_t(id); }
};

template <class T>
using ByToken = std::unordered_map<std::string, T, TokenHash, std::equal_to<>>;
template <class T>
using ById = std::unordered_map<int32_t, T, IdHash>;
using TokenSet = std::unordered_set<std::string, TokenHash, std::equal_to<>>;

}  // namespace fastplm::text
