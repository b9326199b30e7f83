// GPT-2's way to write any byte as a visible character: printable Latin-1 stands for itself, the other 68 bytes for
// the characters from U+0100 on.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace fastplm::text::byte_level {

constexpr bool is_itself(char32_t byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
}

// The character for each byte, all of them below U+0144: one or two bytes of UTF-8.
constexpr std::array<char32_t, 256> kCharacters = [] {
  std::array<char32_t, 256> characters{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) characters[byte] = is_itself(byte) ? byte : next++;
  return characters;
}();

constexpr std::array<uint8_t, 0x44> kShifted = [] {   // the bytes that U+0100 and on stand for
  std::array<uint8_t, 0x44> bytes{};
  for (std::size_t byte = 0; byte < 256; ++byte) {
    if (kCharacters[byte] >= 0x100) bytes[kCharacters[byte] - 0x100] = uint8_t(byte);
  }
  return bytes;
}();

// The byte that `c` stands for; -1: none.
constexpr int byte_of(char32_t c) {
  if (c >= 0x100 + kShifted.size()) return -1;
  if (c >= 0x100) return kShifted[c - 0x100];
  return is_itself(c) ? int(c) : -1;
}

}  // namespace fastplm::text::byte_level
