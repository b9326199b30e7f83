#include "text/stages/charsmap.h"

#include "core/error.h"
#include "text/base/utf8.h"

namespace fastplm::text {

template <class... Parts>
[[noreturn]] static void damaged(const Parts&... parts) {
  fail(ErrorKind::kFile, "tokenizer.json: normalizer Precompiled: precompiled_charsmap ", parts...);
}

// As the reference reads it: the padding may be missing, nothing else may.
static std::string decode_base64(std::string_view text) {
  if (text.size() % 4 == 0) {
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  }
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const int digit = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (digit < 0) damaged("is not base64");
    bits = bits << 6 | uint32_t(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(char(bits >> count));
    }
  }
  if (count >= 6 || (bits & ((1u << count) - 1)) != 0) damaged("is not base64: its last digit is wrong");
  return bytes;
}

static uint32_t read_word(const char* p) {
  const auto byte = [&](int i) { return uint32_t(uint8_t(p[i])); };
  return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
}

// A unit: the byte that leads here, or a leaf's number; whether a key ends here; the distance to the children.
static bool is_leaf(uint32_t unit) { return unit >> 31; }
static uint32_t number(uint32_t leaf) { return leaf & 0x7fffffff; }
static uint32_t label(uint32_t unit) { return unit & 0x800000ff; }   // no byte, for a leaf
static bool ends_key(uint32_t unit) { return unit >> 8 & 1; }
static size_t distance(uint32_t unit) { return size_t(unit >> 10) << (unit >> 9 & 1) * 8; }

Charsmap::Charsmap(std::string_view base64) {
  const std::string bytes = decode_base64(base64);
  std::string_view charsmap = bytes;
  if (charsmap.size() < 4) damaged("has ", charsmap.size(), " bytes; expected at least 4");
  const uint32_t size = read_word(charsmap.data());
  charsmap.remove_prefix(4);
  if (size > charsmap.size()) damaged("has ", charsmap.size(), " bytes after its first word, which says ", size);
  if (size == 0 || size % 1024 != 0) damaged("has an array of ", size, " bytes; expected blocks of 1024");
  units_.resize(size / 4);
  for (size_t i = 0; i < units_.size(); ++i) units_[i] = read_word(charsmap.data() + 4 * i);
  strings_ = charsmap.substr(size);
  if (!is_utf8(strings_)) damaged("has strings that are not UTF-8");

  if (is_leaf(units_[0])) damaged("has a leaf for its root");
  for (size_t i = 0; i < units_.size(); ++i) {
    const uint32_t unit = units_[i];
    if (is_leaf(unit)) continue;
    const size_t children = i ^ distance(unit);   // differs from them in the lowest 8 bits: they share a block
    if (children >= units_.size()) damaged("leads from unit ", i, " to unit ", children, " of ", units_.size());
    if (!ends_key(unit)) continue;
    const uint32_t leaf = units_[children];
    if (!is_leaf(leaf) || number(leaf) > strings_.size() ||
        (number(leaf) < strings_.size() && is_continuation(strings_[number(leaf)]))) {
      damaged("has a key at unit ", i, " without a string");
    }
  }
}

template <class Found>
size_t Charsmap::search(std::string_view text, Found&& found) const {
  size_t place = distance(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == 0) return i;
    place ^= uint8_t(text[i]);
    const uint32_t unit = units_[place];
    if (label(unit) != uint8_t(text[i])) return i;
    place ^= distance(unit);
    if (!ends_key(unit)) continue;
    const std::string_view rest = std::string_view(strings_).substr(number(units_[place]));
    if (!found(i + 1, rest.substr(0, rest.find('\0')))) return i + 1;
  }
  return text.size();
}

std::optional<std::string_view> Charsmap::shortest(std::string_view text) const {
  std::optional<std::string_view> result;
  search(text, [&](size_t, std::string_view by) {
    result = by;
    return false;
  });
  return result;
}

Charsmap::Match Charsmap::longest(std::string_view text) const {
  Match result;
  search(text, [&](size_t size, std::string_view by) {
    result = {size, by};
    return true;
  });
  return result;
}

bool Charsmap::begins_key(std::string_view text) const {
  return search(text, [](size_t, std::string_view) { return true; }) == text.size();
}

}  // namespace fastplm::text
