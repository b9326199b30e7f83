#include "text/decode_stream.h"

namespace fastplm::text {

static bool is_complete(const std::string& text) { return !text.ends_with("\xef\xbf\xbd"); }   // U+FFFD

std::string DecodeStream::decode(const Tokenizer& tokenizer) const {
  return tokenizer.decode(ids_.data(), int64_t(ids_.size()), skip_special_tokens_);
}

std::optional<std::string> DecodeStream::step(const Tokenizer& tokenizer, int32_t id) {
  // What decode() leaves out must not pile up.
  std::string_view token;
  if (!tokenizer.find(id, &token)) return std::nullopt;
  if (skip_special_tokens_ && tokenizer.added_tokens().is_special(token)) return std::nullopt;

  if (given_.empty() && !ids_.empty()) {
    std::string text = decode(tokenizer);
    if (is_complete(text)) {
      given_ = std::move(text);
      given_count_ = ids_.size();
    }
  }
  ids_.push_back(id);
  const std::string text = decode(tokenizer);
  if (text.size() <= given_.size() || !is_complete(text)) return std::nullopt;
  if (!text.starts_with(given_)) {
    fail(ErrorKind::kValue, "decode stream: with id ", id, " the text \"", given_, "\" becomes \"", text,
         "\"; expected more text behind it");
  }
  std::string added = text.substr(given_.size());
  const size_t fresh = ids_.size() - given_count_;
  ids_.erase(ids_.begin(), ids_.begin() + int64_t(given_count_));
  given_ = decode(tokenizer);
  given_count_ = fresh;
  return added;
}

}  // namespace fastplm::text
