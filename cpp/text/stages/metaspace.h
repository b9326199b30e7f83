// Metaspace: writes a visible character for each space, perhaps puts one before the text, and cuts before each.
#pragma once
#include <string>
#include "text/base/stage.h"

namespace fastplm::text {

class MetaspacePreTokenizer final : public PreTokenizer {
 public:
  // Before which pieces the replacement is put, if they do not begin with it: all, none, or the one at the start of
  // the caller's text.
  enum Prepend { kAlways, kNever, kFirst };

  explicit MetaspacePreTokenizer(const Value& settings);
  void run(Text& text, std::vector<Piece>& pieces) const override;
  bool asks_for_spans() const override { return prepend_ == kFirst; }

  const std::string& replacement() const { return replacement_; }
  Prepend prepend() const { return prepend_; }
  bool splits() const { return split_; }

 private:
  std::string replacement_;   // one character
  Prepend prepend_;
  bool split_;
};

}  // namespace fastplm::text
