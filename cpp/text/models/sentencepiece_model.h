// What the models of the sentencepiece library have in common: kinds of pieces, and what becomes of unknown text.
// Each takes a whole normalized text for one word, as the library does, and gives its ids.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>
#include "text/base/stage.h"

namespace fastplm::text {

class SentencePieceModel : public Model {
 public:
  int32_t spelled() const override { return unknown_; }

 protected:
  enum class Kind : uint8_t {
    kNormal,
    kUserDefined,   // found before anything else, and never joined to other text
    kUnused,        // not found
    kReserved,      // not found: control symbols, bytes, the unknown piece
  };
  static constexpr int32_t kUnknown = -1;

  // Keeps a reference to `vocabulary`. settings: unk_id, may be null with byte_fallback; byte_fallback; user_defined,
  // unused, reserved: lists of ids. Throws Error(kFile) for ids that no piece has, or a byte without a piece.
  SentencePieceModel(const Value& settings, const Vocabulary& vocabulary);

  Kind kind(int32_t id) const { return kinds_[size_t(id)]; }
  // The id of a piece that text is found as; kUnknown: there is none.
  int32_t find(std::string_view text) const {
    const int32_t id = vocabulary_.id_of(text);
    return id >= 0 && kind(id) <= Kind::kUserDefined ? id : kUnknown;
  }
  std::vector<std::string_view> user_symbols() const;
  static std::vector<float> read_scores(const Value& settings, const Vocabulary& vocabulary);   // by id
  int32_t ids_end() const { return int32_t(kinds_.size()); }     // above all ids

  // Passes what cut(found) passes to found(id, begin, end), in order and without gaps, on to add(id, begin, end).
  // Unknown text is written as its bytes, or side by side as one unknown piece.
  template <class Cut, class Add>
  void write(std::string_view word, Cut&& cut, Add&& add) const {
    uint32_t begin_of_unknown = 0, end_of_unknown = 0;
    const auto flush = [&] {
      if (begin_of_unknown < end_of_unknown) add(unknown_, begin_of_unknown, end_of_unknown);
      begin_of_unknown = end_of_unknown;
    };
    cut([&](int32_t id, uint32_t begin, uint32_t end) {
      if (id >= 0) {
        flush();
        add(id, begin, end);
      } else if (byte_fallback_) {
        for (; begin < end; ++begin) add(bytes_[uint8_t(word[begin])], begin, begin + 1);
      } else {
        if (begin_of_unknown == end_of_unknown) begin_of_unknown = begin;
        end_of_unknown = end;
      }
    });
    flush();
  }

  const Vocabulary& vocabulary_;

 private:
  std::vector<Kind> kinds_;   // by id
  int32_t unknown_;           // -1: none
  bool byte_fallback_;
  std::array<int32_t, 256> bytes_;   // ids of <0x00> to <0xFF>, if byte_fallback_
};

// Words, which begin at U+2581: each is a piece or unknown.
class SentencePieceWords final : public SentencePieceModel {
 public:
  SentencePieceWords(const Value& settings, const Vocabulary& vocabulary) : SentencePieceModel(settings, vocabulary) {}
  void tokenize(std::string_view text, std::vector<Token>& tokens) const override;
};

}  // namespace fastplm::text
