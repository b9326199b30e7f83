#include "text/models/sentencepiece_model.h"

#include <algorithm>
#include <cmath>

#include "text/stages/spaced_words.h"

namespace fastplm::text {

SentencePieceModel::SentencePieceModel(const Value& settings, const Vocabulary& vocabulary)
    : vocabulary_(vocabulary), byte_fallback_(settings.b("byte_fallback")) {
  int32_t last = -1;
  for (int64_t i = 0; i < vocabulary.size(); ++i) last = std::max(last, vocabulary.id(i));
  if (last >= vocabulary.size()) {
    fail(ErrorKind::kFile, "SentencePiece: a piece has id ", last, ", but there are ", vocabulary.size(), " pieces");
  }
  kinds_.assign(size_t(last + 1), Kind::kNormal);
  const auto checked = [&](const Value& id, const char* name) {
    const int64_t number = id.integer(name);
    if (number < 0 || number > last) {
      fail(ErrorKind::kFile, "SentencePiece: ", name, " is ", number, "; expected the id of one of ", last + 1,
           " pieces");
    }
    return size_t(number);
  };
  const auto mark = [&](const char* name, Kind kind) {
    for (const Value& id : settings.at(name).array(name)) kinds_[checked(id, name)] = kind;
  };
  mark("user_defined", Kind::kUserDefined);
  mark("unused", Kind::kUnused);
  mark("reserved", Kind::kReserved);

  const Value* unknown = settings.find("unk_id");
  unknown_ = unknown ? int32_t(checked(*unknown, "unk_id")) : -1;
  if (!unknown && !byte_fallback_) fail(ErrorKind::kFile, "SentencePiece: no piece stands for unknown text");
  for (int byte = 0; byte < 256 && byte_fallback_; ++byte) {
    static constexpr char kDigits[] = "0123456789ABCDEF";
    const char name[] = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
    const std::string_view piece(name, sizeof(name));
    bytes_[size_t(byte)] = vocabulary.id_of(piece);
    if (bytes_[size_t(byte)] < 0) fail(ErrorKind::kFile, "SentencePiece: byte_fallback without a piece \"", piece, '"');
  }
}

std::vector<std::string_view> SentencePieceModel::user_symbols() const {
  std::vector<std::string_view> symbols;
  for (int64_t i = 0; i < vocabulary_.size(); ++i) {
    if (kind(vocabulary_.id(i)) == Kind::kUserDefined) symbols.push_back(vocabulary_.token(i));
  }
  return symbols;
}

std::vector<float> SentencePieceModel::read_scores(const Value& settings, const Vocabulary& vocabulary) {
  std::vector<float> scores;
  for (const Value& score : settings.at("scores").array("scores")) {
    scores.push_back(float(score.number("score")));
    if (!std::isfinite(scores.back())) {
      fail(ErrorKind::kFile, "SentencePiece: the score of piece ", scores.size() - 1, " is ", scores.back(),
           "; expected a finite number");
    }
  }
  if (scores.size() < size_t(vocabulary.size()))
    fail(ErrorKind::kFile, "SentencePiece: ", scores.size(), " scores for ", vocabulary.size(), " pieces");
  return scores;
}

void SentencePieceWords::tokenize(std::string_view text, std::vector<Token>& tokens) const {
  const auto cut = [&](auto found) {
    for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
      end = std::min(text.find(kSpaceSign, begin + 1), text.size());
      found(find(text.substr(begin, end - begin)), uint32_t(begin), uint32_t(end));
    }
  };
  write(text, cut, [&](int32_t id, uint32_t begin, uint32_t end) { tokens.push_back({id, begin, end}); });
}

}  // namespace fastplm::text
