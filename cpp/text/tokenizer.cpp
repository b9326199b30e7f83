#include "text/tokenizer.h"

#include "text/fused/bert_scanner.h"
#include "text/fused/byte_bpe.h"
#include "text/fused/space_bpe.h"
#include "text/fused/space_unigram.h"
#include "text/long_text.h"
#include "text/models/wordpiece.h"
#include "text/stages/bert.h"

namespace fastplm::text {

static AddedToken read_added_token(const Value& settings) {
  return {.content = settings.s("content"),
          .single_word = settings.b("single_word"),
          .lstrip = settings.b("lstrip"),
          .rstrip = settings.b("rstrip"),
          .normalized = settings.b("normalized"),
          .special = settings.b("special")};
}

static std::vector<AddedToken> read_added_tokens(const Value& settings) {
  std::vector<AddedToken> tokens;
  const Value* const listed = settings.find("added_tokens");
  if (!listed) return tokens;
  for (const Value& token : listed->array("added_tokens")) tokens.push_back(read_added_token(token));
  return tokens;
}

// What does not depend on the added tokens and the post-processor; without scanner and space_bpe, which work only where
// no added token is normalized, if one is.
struct Tokenizer::Parts {
  Vocabulary vocabulary;
  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<Model> model;
  std::unique_ptr<Decoder> decoder;
  std::unique_ptr<BertScanner> scanner;
  std::unique_ptr<ByteBpe> byte_bpe;
  std::unique_ptr<SpaceBpe> space_bpe;
  std::unique_ptr<SpaceUnigram> space_unigram;

  Parts(const Value& settings, Vocabulary words) : vocabulary(std::move(words)) {
    if (const Value* section = settings.find("normalizer")) normalizer = make_normalizer(*section);
    if (const Value* section = settings.find("pre_tokenizer")) pre_tokenizer = make_pre_tokenizer(*section);
    if (const Value* section = settings.find("decoder")) decoder = make_decoder(*section);
    model = make_model(settings.at("model"), vocabulary);
  }

  void make_fused(const Value& settings, bool any_normalized) {
    const Value* const cut = settings.find("pre_tokenizer");
    const auto* bert = dynamic_cast<const BertNormalizer*>(normalizer.get());
    const auto* word_piece = dynamic_cast<const WordPiece*>(model.get());
    const bool punctuated = dynamic_cast<const BertPreTokenizer*>(pre_tokenizer.get()) != nullptr;
    if (bert && punctuated && word_piece && !any_normalized) {
      scanner = std::make_unique<BertScanner>(*bert, *word_piece, vocabulary);
    }
    const auto* bpe = dynamic_cast<const Bpe*>(model.get());
    if (cut && bpe) byte_bpe = ByteBpe::make(*cut, *bpe, vocabulary);
    if (bpe && !any_normalized) space_bpe = SpaceBpe::make(settings.find("normalizer"), cut, *bpe, vocabulary);
    const auto* unigram = dynamic_cast<const Unigram*>(model.get());
    if (cut && unigram) space_unigram = SpaceUnigram::make(*cut, *unigram);
  }
};

Tokenizer::Tokenizer(const Value& settings, Vocabulary vocabulary) {
  auto parts = std::make_shared<Parts>(settings, std::move(vocabulary));
  added_ = std::make_unique<AddedTokens>(read_added_tokens(settings), parts->vocabulary, parts->normalizer.get());
  parts->make_fused(settings, added_->any(AddedTokens::kNormalized));
  parts_ = std::move(parts);
  finish(settings);
}

Tokenizer::Tokenizer(const Tokenizer& other, const Value& settings)
    : parts_(other.parts_),
      added_(std::make_unique<AddedTokens>(read_added_tokens(settings), parts_->vocabulary, parts_->normalizer.get())) {
  finish(settings);
}

void Tokenizer::finish(const Value& settings) {
  const bool plain = !added_->any(AddedTokens::kNormalized);
  scanner_ = plain ? parts_->scanner.get() : nullptr;
  space_bpe_ = plain ? parts_->space_bpe.get() : nullptr;
  if (const Value* section = settings.find("post_processor")) post_processor_ = make_post_processor(*section);
  for (std::vector<TemplatePiece>* pieces : {&post_processor_.single, &post_processor_.pair}) {
    for (TemplatePiece& piece : *pieces) {
      if (is_named(piece)) piece.tokens.clear();
    }
  }
}

Tokenizer::~Tokenizer() = default;

const Vocabulary& Tokenizer::vocabulary() const { return parts_->vocabulary; }
bool Tokenizer::cuts_long_texts() const { return scanner_ || parts_->byte_bpe; }

bool Tokenizer::is_named(const TemplatePiece& piece) const {
  std::string_view name;
  for (size_t i = 0; i < piece.tokens.size(); ++i) {
    if (!find(piece.ids[i], &name) || name != piece.tokens[i]) return false;
  }
  return true;
}

// Where the tokens of one text go, and what is known about the place in that text.
struct Tokenizer::Cursor {
  Tokens& tokens;
  int32_t fixed_word;       // the number of every word, if not negative
  size_t bytes = 0;         // where the part that is read begins
  uint32_t characters = 0;  // read so far, if they are counted
  int32_t words = 0;        // finished so far
  Text text = {};           // scratch, kept for its memory
  std::vector<Piece> pieces = {};
  std::vector<Token> found = {};

  // `written`: its text; nothing: what the vocabulary calls it.
  void add(const Tokenizer& tokenizer, const Options& options, int32_t id, Span span, std::string_view written = {}) {
    tokens.ids.push(id);
    if (!options.align) return;
    tokens.spans.push_back(span);
    tokens.words.push_back(fixed_word >= 0 ? fixed_word : words);
    const bool trims = !tokenizer.post_processor_.trims.empty();
    // An added token that is normalized has another name than the vocabulary's token with its id.
    const bool renamed = !written.empty() || tokenizer.added_->any(AddedTokens::kNormalized);
    if (written.empty() && (trims || renamed)) tokenizer.parts_->vocabulary.find(id, &written);
    std::string_view name;
    if (renamed && !written.empty() && tokenizer.find(id, &name) && name != written) {
      tokens.written.emplace_back(tokens.ids.size() - 1, written);
    }
    if (trims) tokens.spaces.push_back(PostProcessor::spaces(written));
  }
};

void Tokenizer::tokenize(std::string_view text, const Options& options, int32_t word, Tokens& tokens) const {
  if (text.size() >= UINT32_MAX / 4) {
    fail(ErrorKind::kValue, "tokenizer: a text has ", text.size(), " bytes; expected fewer than ", UINT32_MAX / 4);
  }
  Cursor cursor{.tokens = tokens, .fixed_word = word};
  added_->find(AddedTokens::kRaw, text, options.split_special_tokens, [&](size_t begin, size_t end, int32_t id) {
    if (tokens.ids.size() >= options.limit) return;
    const std::string_view part = text.substr(begin, end - begin);
    cursor.bytes = begin;
    if (id >= 0) {
      const auto count = options.align ? uint32_t(count_characters(part)) : 0;
      cursor.add(*this, options, id, {cursor.characters, cursor.characters + count}, part);
      cursor.characters += count;
      ++cursor.words;
    } else if (options.align || !run_fused(part, begin == 0, options, tokens.ids)) {
      run_stages(part, options, cursor);
    }
  });
}

bool Tokenizer::run_fused(std::string_view text, bool begins, const Options& options, Ids& ids) const {
  const bool whole = options.limit == INT64_MAX;
  const auto run = [&](std::string_view part, auto&& body) {
    return whole ? run_in_parts(part, ids, body) : body(part, ids);
  };
  if (scanner_) {
    return run(text, [&](std::string_view part, Ids& to) { return scanner_->run(part, options.limit, to); });
  }
  if (space_bpe_) return space_bpe_->run(text, begins, options.limit, ids);
  if (!parts_->byte_bpe && !parts_->space_unigram) return false;
  Text normalized;
  if (parts_->normalizer && !parts_->normalizer->keeps(text)) {
    normalized.bytes = text;
    parts_->normalizer->run(normalized);
    text = normalized.bytes;
  }
  added_->find(AddedTokens::kNormalized, text, options.split_special_tokens, [&](size_t begin, size_t end, int32_t id) {
    if (id >= 0) return ids.push(id);
    const std::string_view piece = text.substr(begin, end - begin);
    if (parts_->space_unigram) return parts_->space_unigram->run(piece, options.limit, ids);
    run(piece, [&](std::string_view part, Ids& to) {
      parts_->byte_bpe->run(part, part.data() == piece.data(), options.limit, to);
      return true;
    });
  });
  return true;
}

void Tokenizer::run_stages(std::string_view part, const Options& options, Cursor& cursor) const {
  Text& text = cursor.text;
  text.bytes = part;
  text.first = cursor.bytes == 0;
  text.aligned =
      options.align || (parts_->normalizer && parts_->pre_tokenizer && parts_->pre_tokenizer->asks_for_spans());
  text.spans.clear();
  text.origin = cursor.characters;
  if (text.aligned) {
    text.spans.reserve(part.size());
    --cursor.characters;   // the first byte of every character counts it
    for (char byte : part) {
      if (!is_continuation(byte)) ++cursor.characters;
      text.spans.push_back({cursor.characters, cursor.characters + 1});
    }
    ++cursor.characters;
  }
  if (parts_->normalizer) parts_->normalizer->run(text);

  cursor.pieces.clear();
  added_->find(
      AddedTokens::kNormalized, text.bytes, options.split_special_tokens,
      [&](size_t begin, size_t end, int32_t id) { cursor.pieces.push_back({uint32_t(begin), uint32_t(end), id}); });
  if (parts_->pre_tokenizer) parts_->pre_tokenizer->run(text, cursor.pieces);

  const auto span = [&](uint32_t begin, uint32_t end) {
    return text.aligned ? Span{text.spans[begin].begin, text.spans[end - 1].end} : Span{};
  };
  for (const Piece& piece : cursor.pieces) {
    if (piece.id >= 0) {
      const std::string_view written(text.bytes.data() + piece.begin, piece.end - piece.begin);
      cursor.add(*this, options, piece.id, span(piece.begin, piece.end), written);
    } else if (!options.align) {
      parts_->model->append_ids({text.bytes.data() + piece.begin, piece.end - piece.begin}, cursor.tokens.ids);
    } else {
      const std::string_view word(text.bytes.data() + piece.begin, piece.end - piece.begin);
      cursor.found.clear();
      parts_->model->tokenize(word, cursor.found);
      for (const Token& token : cursor.found) {
        const bool spelled = token.id == parts_->model->spelled();
        cursor.add(*this, options, token.id, span(piece.begin + token.begin, piece.begin + token.end),
                   spelled ? word.substr(token.begin, token.end - token.begin) : std::string_view());
      }
    }
    ++cursor.words;
  }
}

int32_t Tokenizer::id_of(std::string_view token) const {
  const int32_t id = added_->id_of(token);
  return id >= 0 ? id : parts_->vocabulary.id_of(token);
}

bool Tokenizer::find(int32_t id, std::string_view* token) const {
  const std::string* added = added_->written(id);
  if (!added) return parts_->vocabulary.find(id, token);
  *token = *added;
  return true;
}

std::string Tokenizer::decode(const int32_t* ids, int64_t count, bool skip_special_tokens) const {
  std::vector<std::string> tokens;
  std::string_view token;
  for (int64_t i = 0; i < count; ++i) {
    if (!find(ids[i], &token)) continue;
    if (skip_special_tokens && added_->is_special(token)) continue;
    tokens.emplace_back(token);
  }
  return decode(std::move(tokens));
}

std::string Tokenizer::decode(std::vector<std::string> tokens) const {
  if (parts_->decoder) {
    parts_->decoder->run(tokens);
  } else {
    for (size_t i = 1; i < tokens.size(); ++i) tokens[i].insert(0, 1, ' ');
  }
  std::string text;
  for (const std::string& token : tokens) text += token;
  return text;
}

}  // namespace fastplm::text
