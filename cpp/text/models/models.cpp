// The "model" section of tokenizer.json.
#include "text/base/stage.h"
#include "text/models/bpe.h"
#include "text/models/sentencepiece_bpe.h"
#include "text/models/sentencepiece_unigram.h"
#include "text/models/unigram.h"
#include "text/models/word_level.h"
#include "text/models/wordpiece.h"

namespace fastplm::text {

void Model::append_ids(std::string_view word, Ids& ids) const {
  thread_local std::vector<Token> tokens;
  tokens.clear();
  tokenize(word, tokens);
  for (const Token& token : tokens) ids.push(token.id);
}

using MakeModel = std::unique_ptr<Model> (*)(const Value&, const Vocabulary&);

template <class T>
static std::unique_ptr<Model> make(const Value& settings, const Vocabulary& vocabulary) {
  return std::make_unique<T>(settings, vocabulary);
}

struct {
  const char* type;
  MakeModel make;
} constexpr kModels[] = {
    {"BPE", make<Bpe>},
    {"SentencePieceBpe", make<SentencePieceBpe>},
    {"SentencePieceUnigram", make<SentencePieceUnigram>},
    {"SentencePieceWords", make<SentencePieceWords>},
    {"Unigram", make<Unigram>},
    {"WordLevel", make<WordLevel>},
    {"WordPiece", make<WordPiece>},
};

std::unique_ptr<Model> make_model(const Value& settings, const Vocabulary& vocabulary) {
  return find_row(kModels, settings, "model").make(settings, vocabulary);
}

}  // namespace fastplm::text
