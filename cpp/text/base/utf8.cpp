#include "text/base/utf8.h"

namespace fastplm::text {

// How many bytes at the front of `bytes` (which is not empty) belong to one character, or to the beginning of one.
struct Front {
  size_t length;
  bool complete;
};

static Front front_of(std::string_view bytes) {
  const auto first = uint8_t(bytes[0]);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0) return {1, false};
  // The second byte excludes overlong forms, surrogates and what is beyond U+10FFFF.
  const uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  for (size_t i = 1; i < length; ++i) {
    if (i == bytes.size()) return {i, false};
    const auto byte = uint8_t(bytes[i]);
    if (byte < (i == 1 ? low : 0x80) || byte > (i == 1 ? high : 0xbf)) return {i, false};
  }
  return {length, true};
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Front front = front_of(bytes);
    if (!front.complete) return false;
    bytes.remove_prefix(front.length);
  }
  return true;
}

std::string to_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const Front front = front_of(bytes);
    text += front.complete ? bytes.substr(0, front.length) : "\xef\xbf\xbd";
    bytes.remove_prefix(front.length);
  }
  return text;
}

}  // namespace fastplm::text
