// ByteLevel: cuts by GPT-2's pattern, then writes each byte as a character of the byte-level alphabet.
#pragma once
#include "text/base/stage.h"
#include "text/stages/scanner.h"

namespace fastplm::text {

class ByteLevelPreTokenizer final : public PreTokenizer {
 public:
  explicit ByteLevelPreTokenizer(const Value& settings);
  void run(Text& text, std::vector<Piece>& pieces) const override;

  bool add_prefix_space() const { return add_prefix_space_; }   // before a piece that does not begin with one
  bool use_regex() const { return use_regex_; }                 // else it only rewrites

 private:
  bool add_prefix_space_, use_regex_;
};

// A pre-tokenizer that comes to one scan of the text and the byte-level alphabet: for those who do both at once.
struct ByteLevelPlan {
  const Scanner* scanner;   // null: the whole piece is one pre-token
  bool add_prefix_space;    // to every piece between added tokens that does not begin with a space
};
// Whether `pre_tokenizer` is one: a ByteLevel, or a Sequence of Splits that a scanner does and a ByteLevel.
bool find_byte_level_plan(const PreTokenizer& pre_tokenizer, ByteLevelPlan* plan);

}  // namespace fastplm::text
