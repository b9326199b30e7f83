// The "normalizer" section of tokenizer.json.
#include "text/bert.h"
#include "text/stage.h"

namespace fastplm::text {

struct {
  const char* type;
  std::unique_ptr<Normalizer> (*make)(const Value&);
} constexpr kNormalizers[] = {
    {"BertNormalizer",
     [](const Value& s) -> std::unique_ptr<Normalizer> { return std::make_unique<BertNormalizer>(s); }},
};

std::unique_ptr<Normalizer> make_normalizer(const Value& settings) {
  return find_row(kNormalizers, settings, "normalizer").make(settings);
}

}  // namespace fastplm::text
