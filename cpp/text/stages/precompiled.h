// SentencePiece's normalization: a map from short strings to strings, compiled into a double array.
//
// The text is taken by extended grapheme clusters. The shortest key that a cluster of fewer than 6 bytes begins with
// replaces all of it; where there is none, and in longer clusters, each character is looked up by itself.
#pragma once
#include <optional>
#include <string_view>
#include "text/base/stage.h"
#include "text/stages/charsmap.h"
#include "text/unicode/character_bits.h"
#include "text/unicode/graphemes.h"

namespace fastplm::text {

class Precompiled final : public Normalizer {
 public:
  // settings: precompiled_charsmap, in base64. Throws Error(kFile) if it is damaged.
  explicit Precompiled(const Value& settings);
  void run(Text& text) const override;
  bool keeps(std::string_view text) const override {
    return skip_plain(text.data(), text.data() + text.size()) == text.data() + text.size();
  }

 private:
  bool stays(char32_t c) const;   // whether c remains what it is, if it is a cluster of its own
  // Whether stays() and there is a boundary between c and its like.
  bool is_plain(char32_t c) const { return Graphemes::is_separate(graphemes_.property(c)) && stays(c); }
  // The end of the plain characters from p on; what follows may be part of the last one's cluster.
  const char* skip_plain(const char* p, const char* end) const;
  // Calls edit(begin, end, replacement) for what is replaced in [p, end), in order.
  template <class Edit>
  void find_edits(const char* p, const char* end, Edit&& edit) const;

  const Graphemes& graphemes_;
  Charsmap charsmap_;
  std::optional<CharacterBits> plain_;   // those that is_plain() says it of
};

}  // namespace fastplm::text
