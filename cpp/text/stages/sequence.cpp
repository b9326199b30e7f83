#include "text/stages/sequence.h"

#include <algorithm>

#include "text/stages/split.h"

namespace fastplm::text {

SequencePreTokenizer::SequencePreTokenizer(const Value& settings) {
  const Value::Array& all = settings.at("pretokenizers").array("pretokenizers");
  for (size_t i = 0; i < all.size();) {
    std::vector<std::string_view> patterns;   // of the Splits from here on
    for (size_t k = i; k < all.size(); ++k) {
      const std::string* pattern = isolating_pattern(all[k]);
      if (!pattern) break;
      patterns.push_back(*pattern);
    }
    const Scanner* scanner = nullptr;
    size_t count = patterns.size();
    while (count > 0 && !(scanner = find_scanner(patterns.data(), count))) --count;
    if (scanner) {
      steps_.push_back(std::make_unique<ScannerSplit>(*scanner));
    } else {
      steps_.push_back(make_pre_tokenizer(all[i]));
    }
    i += scanner ? count : 1;
  }
}

void SequencePreTokenizer::run(Text& text, std::vector<Piece>& pieces) const {
  for (const auto& step : steps_) step->run(text, pieces);
}

bool SequencePreTokenizer::asks_for_spans() const {
  return std::any_of(steps_.begin(), steps_.end(), [](const auto& step) { return step->asks_for_spans(); });
}

}  // namespace fastplm::text
