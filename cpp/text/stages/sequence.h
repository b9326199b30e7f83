// Sequence: pre-tokenizers one after the other.
#pragma once
#include <memory>
#include <vector>
#include "text/base/stage.h"

namespace fastplm::text {

class SequencePreTokenizer final : public PreTokenizer {
 public:
  // Splits in a row that a scanner does together become one ScannerSplit.
  explicit SequencePreTokenizer(const Value& settings);
  void run(Text& text, std::vector<Piece>& pieces) const override;
  bool asks_for_spans() const override;
  const std::vector<std::unique_ptr<PreTokenizer>>& steps() const { return steps_; }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

}  // namespace fastplm::text
