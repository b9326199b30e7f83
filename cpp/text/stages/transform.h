// Rewrites a text character by character, with the alignment that the reference gives the result.
//
// Reading and writing go on side by side. A new character either takes the place of the next old one, whose span it
// gets, or is inserted, and then gets the span of the old character in front of it.
#pragma once
#include "text/base/text.h"

namespace fastplm::text {

class Transform {
 public:
  // Takes what `text` holds; what is put from now on takes its place.
  explicit Transform(Text& text) : text_(text), old_(std::move(text.bytes)), old_spans_(std::move(text.spans)) {
    text.bytes.clear();
    text.spans.clear();
    text.bytes.reserve(old_.size() + 16);
    if (text.aligned) text.spans.reserve(old_.size() + 16);
  }

  const std::string& old() const { return old_; }

  // The next old bytes (whole characters) stay, or vanish.
  void keep(size_t bytes) {
    text_.bytes.append(old_, read_, bytes);
    if (text_.aligned) {
      const auto from = old_spans_.begin() + int64_t(read_);
      text_.spans.insert(text_.spans.end(), from, from + int64_t(bytes));
    }
    read_ += bytes;
  }
  void drop(size_t bytes) { read_ += bytes; }

  void insert(std::string_view bytes) {
    text_.bytes += bytes;
    if (text_.aligned) text_.spans.insert(text_.spans.end(), bytes.size(), span_before());
  }

  // Puts c in the place of the next `count` old characters; 0: inserts it.
  void put(char32_t c, int64_t count) {
    char encoded[4];
    const std::string_view bytes(encoded, size_t(write_character(c, encoded)));
    if (count == 0) return insert(bytes);
    text_.bytes += bytes;
    if (text_.aligned) text_.spans.insert(text_.spans.end(), bytes.size(), old_spans_[read_]);
    for (; count > 0; --count) {
      do ++read_;
      while (read_ < old_.size() && is_continuation(old_[read_]));
    }
  }

 private:
  Span span_before() const { return read_ ? old_spans_[read_ - 1] : Span{text_.origin, text_.origin}; }

  Text& text_;
  std::string old_;
  std::vector<Span> old_spans_;
  size_t read_ = 0;   // of old_
};

}  // namespace fastplm::text
