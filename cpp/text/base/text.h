// What passes from stage to stage: text, where each of its bytes came from, and how it is cut.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include "text/base/utf8.h"

namespace fastplm::text {

struct Span {
  uint32_t begin = 0, end = 0;
};   // characters of the text as the caller gave it

struct Text {
  std::string bytes;
  std::vector<Span> spans;   // per byte, the characters it came from; empty if nobody asked
  bool aligned = false;      // whether spans are kept
  uint32_t origin = 0;       // the character the text began at, whatever has been removed since
  bool first = false;        // whether this is the beginning of the caller's text
  bool emptied = false;      // whether nothing is left of text for which SentencePiece still puts a space

  // Whether what begins at byte `at` begins with the first character of the caller's text. Once a normalizer has run,
  // only spans can tell.
  bool begins_at(uint32_t at) const { return first && (aligned ? spans[at].begin == 0 : at == 0); }
};

// A part of Text::bytes. With id >= 0 it is an added token: finished, and no stage touches it again.
struct Piece {
  uint32_t begin, end;
  int32_t id = -1;
};

// Replaces every character c of `text` by those that change(c, put) passes to put(c2). They take over the
// span of c.
template <class Change>
void rewrite(Text& text, Change&& change) {
  std::string bytes(text.bytes.size() + 16, '\0');
  char* to = bytes.data();
  const char* limit = to + bytes.size() - 4;  // room for one more character
  std::vector<Span> spans(text.aligned ? bytes.size() : 0);
  const char* const begin = text.bytes.data();
  const char* const end = begin + text.bytes.size();
  for (const char* p = begin; p < end;) {
    const size_t at = size_t(p - begin);
    change(next_character(p), [&](char32_t c) {
      if (to > limit) {
        const auto size = size_t(to - bytes.data());
        bytes.resize(2 * bytes.size());
        to = bytes.data() + size;
        limit = bytes.data() + bytes.size() - 4;
        if (text.aligned) spans.resize(bytes.size());
      }
      const int n = write_character(c, to);
      if (text.aligned) std::fill_n(&spans[size_t(to - bytes.data())], n, text.spans[at]);
      to += n;
    });
  }
  bytes.resize(size_t(to - bytes.data()));
  if (text.aligned) spans.resize(bytes.size());
  text.bytes = std::move(bytes);
  text.spans = std::move(spans);
}

// Cuts every unfinished piece of `pieces` by cut(begin, end, add), which passes the new ones to
// add(begin, end) in order. Empty pieces are dropped.
template <class Cut>
void split(std::vector<Piece>& pieces, Cut&& cut) {
  std::vector<Piece> result;
  result.reserve(pieces.size());
  for (const Piece& piece : pieces) {
    if (piece.id >= 0) {
      result.push_back(piece);
      continue;
    }
    cut(piece.begin, piece.end, [&](uint32_t begin, uint32_t end) {
      if (begin < end) result.push_back({begin, end});
    });
  }
  pieces = std::move(result);
}

}  // namespace fastplm::text
