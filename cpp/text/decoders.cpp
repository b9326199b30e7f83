// The "decoder" section of tokenizer.json.
#include <utility>

#include "text/stage.h"

namespace fastplm::text {

static void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

class WordPieceDecoder final : public Decoder {
 public:
  explicit WordPieceDecoder(const Value& s) : prefix_(s.s("prefix")), cleanup_(s.b("cleanup")) {}

  void run(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0) {
        if (token.starts_with(prefix_)) {
          token.erase(0, prefix_.size());
        } else {
          token.insert(0, 1, ' ');
        }
      }
      if (cleanup_) cleanup(token);
    }
  }

 private:
  // The reference's fixed list; "do not" is its own addition to that of transformers.
  static void cleanup(std::string& token) {
    static constexpr std::pair<const char*, const char*> kRules[] = {
        {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
        {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    for (const auto& [from, to] : kRules) replace_all(token, from, to);
  }

  std::string prefix_;
  bool cleanup_;
};

struct {
  const char* type;
  std::unique_ptr<Decoder> (*make)(const Value&);
} constexpr kDecoders[] = {
    {"WordPiece", [](const Value& s) -> std::unique_ptr<Decoder> { return std::make_unique<WordPieceDecoder>(s); }},
};

std::unique_ptr<Decoder> make_decoder(const Value& settings) {
  return find_row(kDecoders, settings, "decoder").make(settings);
}

}  // namespace fastplm::text
