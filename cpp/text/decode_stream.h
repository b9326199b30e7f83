// Text from ids that come one at a time: each step gives what the new one adds, as soon as it makes whole characters.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>
#include "text/tokenizer.h"

namespace fastplm::text {

// Keeps only the ids since the last text given, and those that it was made from, which decoders look back to: the
// work of a step does not grow with the stream. As in the reference, an id that adds nothing, or after which the
// text ends with U+FFFD, waits for the next one.
class FASTPLM_EXPORT DecodeStream {
 public:
  explicit DecodeStream(bool skip_special_tokens) : skip_special_tokens_(skip_special_tokens) {}

  // The text that `id` adds; nothing: none yet. Throws Error(kValue) if with it the decoder changes text that was
  // given already, as CTC's does for a repeated token.
  std::optional<std::string> step(const Tokenizer& tokenizer, int32_t id);

 private:
  std::string decode(const Tokenizer& tokenizer) const;

  bool skip_special_tokens_;
  std::vector<int32_t> ids_;
  std::string given_;        // the text of the first ids, given already
  size_t given_count_ = 0;   // how many those are
};

}  // namespace fastplm::text
