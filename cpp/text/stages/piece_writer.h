// Writes a text anew, piece by piece: for pre-tokenizers that change it.
#pragma once
#include <string_view>
#include <utility>
#include <vector>
#include "text/base/text.h"

namespace fastplm::text {

class PieceWriter {
 public:
  PieceWriter(Text& text, std::vector<Piece>& pieces) : text_(text), pieces_(pieces) {
    bytes_.reserve(text.bytes.size() + text.bytes.size() / 4 + 16);
    if (text.aligned) spans_.reserve(bytes_.capacity());
    result_.reserve(pieces.size());
  }

  // Calls write(piece) for every unfinished piece, which put()s its bytes and end()s pieces; finished ones are copied.
  template <class Write>
  void run(Write&& write) {
    for (const Piece& piece : pieces_) {
      if (piece.id < 0) {
        write(piece);
      } else {
        copy(piece.begin, piece.end);
      }
      end(piece.id);
    }
    text_.bytes = std::move(bytes_);
    text_.spans = std::move(spans_);
    pieces_ = std::move(result_);
  }

  // Bytes that take the place of byte `from` of the old text.
  void put(std::string_view bytes, uint32_t from) {
    bytes_ += bytes;
    if (text_.aligned) spans_.insert(spans_.end(), bytes.size(), text_.spans[from]);
  }
  // These bytes of the old text.
  void copy(uint32_t begin, uint32_t end) {
    bytes_.append(text_.bytes, begin, end - begin);
    if (text_.aligned) spans_.insert(spans_.end(), text_.spans.begin() + begin, text_.spans.begin() + end);
  }
  // Bytes that are not in the old text.
  void insert(std::string_view bytes, Span span) {
    bytes_ += bytes;
    if (text_.aligned) spans_.insert(spans_.end(), bytes.size(), span);
  }
  // What was put since the last piece is the next one, unless it is nothing.
  void end(int32_t id = -1) {
    const auto size = uint32_t(bytes_.size());
    if (size > begin_) result_.push_back({begin_, size, id});
    begin_ = size;
  }

 private:
  Text& text_;
  std::vector<Piece>& pieces_;
  std::string bytes_;
  std::vector<Span> spans_;
  std::vector<Piece> result_;
  uint32_t begin_ = 0;
};

}  // namespace fastplm::text
