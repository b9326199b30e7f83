// SentencePiece's "precompiled charsmap": a map from short strings to strings, in a double array.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fastplm::text {

class Charsmap {
 public:
  // base64: the size of the array in bytes, the array (units of the Darts-clone library; all integers are 32 bits,
  // little-endian), then the strings, each up to a zero byte. Throws Error(kFile) if it leaves its own bounds anywhere,
  // so that a search need not look.
  explicit Charsmap(std::string_view base64);

  // What stands for the shortest key that `text` begins with.
  std::optional<std::string_view> shortest(std::string_view text) const;

  struct Match {
    size_t size = 0;   // of the key; 0: there is none
    std::string_view by;
  };
  // The longest key that `text` begins with.
  Match longest(std::string_view text) const;

  // Whether some key begins with `text`, or is it.
  bool begins_key(std::string_view text) const;

 private:
  // Calls found(size, string) for each key that `text` begins with, the shortest first, until it gives false. Returns
  // how many bytes of the text some key begins with.
  template <class Found>
  size_t search(std::string_view text, Found&& found) const;

  std::vector<uint32_t> units_;
  std::string strings_;
};

}  // namespace fastplm::text
