// The "model" section of tokenizer.json.
#include "text/stage.h"
#include "text/wordpiece.h"

namespace fastplm::text {

using MakeModel = std::unique_ptr<Model> (*)(const Value&, const Vocabulary&);

struct {
  const char* type;
  MakeModel make;
} constexpr kModels[] = {
    {"WordPiece",
     [](const Value& s, const Vocabulary& v) -> std::unique_ptr<Model> { return std::make_unique<WordPiece>(s, v); }},
};

std::unique_ptr<Model> make_model(const Value& settings, const Vocabulary& vocabulary) {
  return find_row(kModels, settings, "model").make(settings, vocabulary);
}

}  // namespace fastplm::text
