// The stages of a tokenizer. Each has a table with one row per supported "type" of tokenizer.json, in the
// .cpp named after the stage; a new component is a struct and a row there.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include "core/error.h"
#include "core/value.h"
#include "text/base/ids.h"
#include "text/base/text.h"
#include "text/base/vocabulary.h"

namespace fastplm::text {

struct Normalizer {
  virtual ~Normalizer() = default;
  virtual void run(Text& text) const = 0;
  // Whether `text` certainly stays as it is; may say false of such a text.
  virtual bool keeps(std::string_view) const { return false; }
};

struct PreTokenizer {
  virtual ~PreTokenizer() = default;
  // Cuts the unfinished pieces further; may rewrite the text.
  virtual void run(Text& text, std::vector<Piece>& pieces) const = 0;
  // Whether what it does depends on Text::begins_at: then a text that was normalized must keep its spans.
  virtual bool asks_for_spans() const { return false; }
};

struct Token {
  int32_t id;
  uint32_t begin, end;
};   // bytes of the word it was found in

struct Model {
  virtual ~Model() = default;
  // Appends the tokens of one word. `word` is not empty.
  virtual void tokenize(std::string_view word, std::vector<Token>& tokens) const = 0;
  // Their ids only, which may be faster.
  virtual void append_ids(std::string_view word, Ids& ids) const;
  // The id of tokens that the reference calls what their text is; -1: none.
  virtual int32_t spelled() const { return -1; }
};

// What surrounds the sequences. A piece is either a sequence (0 or 1) or a special token's ids.
struct TemplatePiece {
  int sequence = -1;
  int32_t type_id = 0;
  std::vector<int32_t> ids;   // empty for a sequence
  std::vector<std::string> tokens;   // how the ids are written, if one of them is not what the vocabulary calls it
};
struct FASTPLM_EXPORT PostProcessor {
  // White space leaves the spans of the tokens that begin or end with it.
  struct Trim {
    bool add_prefix_space;   // a single one in front of the first token was put there: it stays
  };
  // How much of a token's text that is, in characters.
  struct Spaces {
    uint32_t leading, trailing;
  };

  std::vector<TemplatePiece> single{{.sequence = 0}};
  std::vector<TemplatePiece> pair{{.sequence = 0}, {.sequence = 1, .type_id = 1}};
  std::vector<Trim> trims;            // one after the other
  bool types_overflow = false;        // rows of overflowing tokens have the template's type ids too

  // How many special tokens it adds.
  int64_t added(bool is_pair) const;
  static Spaces spaces(std::string_view token);
  Span trimmed(Span span, Spaces spaces, bool is_first) const;
};

struct Decoder {
  virtual ~Decoder() = default;
  // Turns each token into the text it stands for; the caller joins them.
  virtual void run(std::vector<std::string>& tokens) const = 0;
};

// `settings` is the section of that name in tokenizer.json. An unknown type throws Error(kUnsupported)
// listing the known ones; a damaged one Error(kFile).
std::unique_ptr<Normalizer> make_normalizer(const Value& settings);
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Value& settings);
std::unique_ptr<Model> make_model(const Value& settings, const Vocabulary& vocabulary);
PostProcessor make_post_processor(const Value& settings);
std::unique_ptr<Decoder> make_decoder(const Value& settings);

// The row of `table` whose type is settings["type"].
template <class Row, size_t N>
const Row& find_row(const Row (&table)[N], const Value& settings, const char* section) {
  const std::string& type = settings.s("type");
  std::string known;
  for (const Row& row : table) {
    if (type == row.type) return row;
    known += std::string(" ") + row.type;
  }
  fail(ErrorKind::kUnsupported, "tokenizer.json: ", section, " type \"", type, "\" is unknown; known:", known);
}

}  // namespace fastplm::text
