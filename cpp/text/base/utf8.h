// Reading and writing UTF-8. Texts are valid: the bindings take them from Python's own encoder.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace fastplm::text {

inline bool is_continuation(char byte) { return (uint8_t(byte) & 0xc0) == 0x80; }

// The character at *p; p moves past it.
inline char32_t next_character(const char*& p) {
  const auto byte = [&](int i) { return char32_t(uint8_t(p[i])); };
  const char32_t first = byte(0);
  char32_t c = first;
  int length = 1;
  if (first >= 0xf0) {
    c = (first & 7) << 18 | (byte(1) & 63) << 12 | (byte(2) & 63) << 6 | (byte(3) & 63);
    length = 4;
  } else if (first >= 0xe0) {
    c = (first & 15) << 12 | (byte(1) & 63) << 6 | (byte(2) & 63);
    length = 3;
  } else if (first >= 0xc0) {
    c = (first & 31) << 6 | (byte(1) & 63);
    length = 2;
  }
  p += length;
  return c;
}

// Writes c (at most 4 bytes) and returns how many bytes it took.
inline int write_character(char32_t c, char* to) {
  if (c < 0x80) {
    to[0] = char(c);
    return 1;
  }
  if (c < 0x800) {
    to[0] = char(0xc0 | c >> 6);
    to[1] = char(0x80 | (c & 63));
    return 2;
  }
  if (c < 0x10000) {
    to[0] = char(0xe0 | c >> 12);
    to[1] = char(0x80 | (c >> 6 & 63));
    to[2] = char(0x80 | (c & 63));
    return 3;
  }
  to[0] = char(0xf0 | c >> 18);
  to[1] = char(0x80 | (c >> 12 & 63));
  to[2] = char(0x80 | (c >> 6 & 63));
  to[3] = char(0x80 | (c & 63));
  return 4;
}

inline int64_t count_characters(std::string_view text) {
  int64_t n = 0;
  for (char byte : text) n += !is_continuation(byte);
  return n;
}

// Whether `bytes` is well-formed UTF-8 without surrogates. For vocabularies, once at load.
bool is_utf8(std::string_view bytes);

// `bytes` with U+FFFD for each maximal part that begins a character but does not end one, and for every other
// byte that belongs to none (the Unicode standard's "substitution of maximal subparts").
std::string to_utf8(std::string_view bytes);

}  // namespace fastplm::text
