// Pieces to text as the sentencepiece library does it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include "text/base/maps.h"
#include "text/base/stage.h"
#include "text/stages/sentencepiece_normalizer.h"

namespace fastplm::text {

class SentencePieceDecoder final : public Decoder {
 public:
  // settings: unk_piece (null: none) and the unk_surface that is written for it; invisible, a list of pieces that leave
  // nothing; byte_fallback, whether <0x00> to <0xFF> are bytes; strip, whether the text loses one space in front
  // ("one"), each piece one until there is text ("each") or none ("none"); denormalizer, null or the settings of
  // SentencePieceNormalizer and add_dummy_prefix.
  explicit SentencePieceDecoder(const Value& settings);
  void run(std::vector<std::string>& tokens) const override;

 private:
  std::optional<std::string> unknown_;
  std::string unknown_surface_;
  TokenSet invisible_;
  bool byte_fallback_;
  enum Strip { kNone, kOne, kEach } strip_;
  std::optional<SentencePieceNormalizer> denormalizer_;
  std::optional<SentencePieceSpace> space_;
};

}  // namespace fastplm::text
