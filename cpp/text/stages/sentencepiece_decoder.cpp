#include "text/stages/sentencepiece_decoder.h"

#include <algorithm>

#include "text/base/utf8.h"
#include "text/stages/spaced_words.h"

namespace fastplm::text {

constexpr std::string_view kReplacementCharacter = "\xef\xbf\xbd";   // U+FFFD

SentencePieceDecoder::SentencePieceDecoder(const Value& settings)
    : unknown_surface_(settings.s("unk_surface")), byte_fallback_(settings.b("byte_fallback")) {
  if (const Value* unknown = settings.find("unk_piece")) unknown_ = unknown->string("unk_piece");
  for (const Value& piece : settings.at("invisible").array("invisible")) invisible_.insert(piece.string("invisible"));
  const std::string& strip = settings.s("strip");
  if (strip != "none" && strip != "one" && strip != "each") {
    fail(ErrorKind::kFile, "tokenizer.json: decoder SentencePiece: strip is \"", strip,
         "\"; expected none, one or each");
  }
  strip_ = strip == "none" ? kNone : strip == "one" ? kOne : kEach;
  if (const Value* denormalizer = settings.find("denormalizer")) {
    denormalizer_.emplace(*denormalizer);
    if (denormalizer->b("add_dummy_prefix")) space_.emplace(*denormalizer);
  }
}

// 0 to 255 for <0x00> to <0xFF>, -1 for anything else.
static int byte_of(std::string_view piece) {
  const auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const int high = digit(piece[3]), low = digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

// The characters that the bytes make; a byte that belongs to none becomes U+FFFD.
static void append_bytes(std::string_view bytes, std::string& text) {
  while (!bytes.empty()) {
    size_t size = std::min<size_t>(4, bytes.size());
    while (size > 0 && (!is_utf8(bytes.substr(0, size)) || count_characters(bytes.substr(0, size)) != 1)) --size;
    text += size > 0 ? bytes.substr(0, size) : kReplacementCharacter;
    bytes.remove_prefix(std::max<size_t>(1, size));
  }
}

static void append_piece(std::string_view piece, std::string& text) {
  for (size_t at; (at = piece.find(kSpaceSign)) != piece.npos; piece.remove_prefix(at + kSpaceSign.size()))
    text.append(piece, 0, at) += ' ';
  text += piece;
}

void SentencePieceDecoder::run(std::vector<std::string>& tokens) const {
  std::string text, bytes;
  bool at_front = strip_ != kNone;
  for (const std::string& token : tokens) {
    if (const int byte = byte_fallback_ ? byte_of(token) : -1; byte >= 0) {
      bytes += char(byte);
      continue;
    }
    append_bytes(bytes, text);
    bytes.clear();
    at_front = at_front && text.empty();
    if (invisible_.contains(token)) continue;
    if (token == unknown_) {
      text += unknown_surface_;
      continue;
    }
    std::string_view piece = token;
    if (at_front && piece.starts_with(kSpaceSign)) {
      piece.remove_prefix(kSpaceSign.size());
      at_front = strip_ == kEach;
    }
    append_piece(piece, text);
  }
  append_bytes(bytes, text);
  if (denormalizer_ && !tokens.empty()) {
    Text whole{.bytes = std::move(text)};
    denormalizer_->run(whole);
    std::vector<Piece> pieces;
    if (!whole.bytes.empty()) pieces.push_back({0, uint32_t(whole.bytes.size())});
    if (space_) space_->run(whole, pieces);
    text = std::move(whole.bytes);
  }
  tokens.assign(1, std::move(text));
}

}  // namespace fastplm::text
