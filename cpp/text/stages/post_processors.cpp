// The "post_processor" section of tokenizer.json.
#include <algorithm>

#include "text/base/stage.h"
#include "text/stages/byte_level.h"
#include "text/unicode/unicode.h"

namespace fastplm::text {

static int32_t id_from(const Value& value) {
  const int64_t id = value.integer("id");
  if (id < 0 || id > INT32_MAX)
    fail(ErrorKind::kFile, "tokenizer.json: post_processor: token id ", id, " is out of range");
  return int32_t(id);
}

static std::vector<TemplatePiece> read_template(const Value& settings, const char* name) {
  std::vector<TemplatePiece> pieces;
  for (const Value& entry : settings.at(name).array(name)) {
    TemplatePiece piece;
    if (const Value* sequence = entry.find("Sequence")) {
      const std::string& id = sequence->s("id");
      if (id != "A" && id != "B")
        fail(ErrorKind::kFile, "tokenizer.json: post_processor.", name, ": sequence \"", id, "\"; expected A or B");
      piece.sequence = id == "B";
      piece.type_id = int32_t(sequence->i_in("type_id", 0, INT32_MAX));
    } else {
      const Value& special = entry.at("SpecialToken");
      const std::string& id = special.s("id");
      const Value* known = settings.at("special_tokens").find(id);
      if (!known)
        fail(ErrorKind::kFile, "tokenizer.json: post_processor.", name, " names \"", id,
             "\", which special_tokens lacks");
      for (const Value& token : known->at("ids").array("ids")) piece.ids.push_back(id_from(token));
      for (const Value& token : known->at("tokens").array("tokens")) piece.tokens.push_back(token.string("tokens"));
      piece.tokens.resize(std::min(piece.tokens.size(), piece.ids.size()));   // the reference does not count them
      piece.type_id = int32_t(special.i_in("type_id", 0, INT32_MAX));
    }
    if (piece.sequence == 1 && std::string_view(name) == "single") {
      fail(ErrorKind::kFile, "tokenizer.json: post_processor.single uses sequence B; expected only A");
    }
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

static PostProcessor template_processing(const Value& settings) {
  return {.single = read_template(settings, "single"), .pair = read_template(settings, "pair")};
}

static TemplatePiece special_piece(const Value& settings, const char* name, int32_t type_id) {
  const Value::Array& token = settings.at(name).array(name);   // [content, id]
  if (token.size() != 2) fail(ErrorKind::kFile, "tokenizer.json: post_processor.", name, ": expected [token, id]");
  return {.type_id = type_id, .ids = {id_from(token[1])}, .tokens = {token[0].string(name)}};
}

// [CLS] A [SEP] and [CLS] A [SEP] B [SEP]
static PostProcessor bert_processing(const Value& settings) {
  const TemplatePiece cls = special_piece(settings, "cls", 0), sep = special_piece(settings, "sep", 0);
  const TemplatePiece a{.sequence = 0}, b{.sequence = 1, .type_id = 1};
  return {.single = {cls, a, sep}, .pair = {cls, a, sep, b, special_piece(settings, "sep", 1)}};
}

static std::vector<PostProcessor::Trim> read_trims(const Value& settings) {
  const bool add_prefix_space = settings.b("add_prefix_space");
  if (!settings.b("trim_offsets")) return {};
  return {{.add_prefix_space = add_prefix_space}};
}

// <s> A </s> and <s> A </s></s> B </s>, all of type 0
static PostProcessor roberta_processing(const Value& settings) {
  const TemplatePiece cls = special_piece(settings, "cls", 0), sep = special_piece(settings, "sep", 0);
  const TemplatePiece a{.sequence = 0}, b{.sequence = 1};
  return {.single = {cls, a, sep},
          .pair = {cls, a, sep, sep, b, sep},
          .trims = read_trims(settings),
          .types_overflow = true};
}

static PostProcessor byte_level_processing(const Value& settings) { return {.trims = read_trims(settings)}; }

// ByteLevel ones, then at most one of the others. The reference numbers the sequences anew if anything follows
// that one. `last`: its type, once it has come.
static void append(const Value& settings, PostProcessor& all, const std::string*& last) {
  const std::string& type = settings.s("type");
  if (type == "Sequence") {
    for (const Value& entry : settings.at("processors").array("processors")) append(entry, all, last);
    return;
  }
  if (last) {
    fail(ErrorKind::kUnsupported, "tokenizer.json: post_processor Sequence: ", type, " follows ", *last,
         "; expected nothing behind a processor that is not ByteLevel");
  }
  PostProcessor next = make_post_processor(settings);
  next.trims.insert(next.trims.begin(), all.trims.begin(), all.trims.end());
  all = std::move(next);
  if (type != "ByteLevel") last = &type;
}

static PostProcessor sequence(const Value& settings) {
  PostProcessor all;
  const std::string* last = nullptr;
  append(settings, all, last);
  return all;
}

struct {
  const char* type;
  PostProcessor (*make)(const Value&);
} constexpr kPostProcessors[] = {
    {"TemplateProcessing", template_processing},
    {"BertProcessing", bert_processing},
    {"RobertaProcessing", roberta_processing},
    {"ByteLevel", byte_level_processing},
    {"Sequence", sequence},
};

PostProcessor make_post_processor(const Value& settings) {
  return find_row(kPostProcessors, settings, "post_processor").make(settings);
}

int64_t PostProcessor::added(bool is_pair) const {
  int64_t n = 0;
  for (const TemplatePiece& piece : is_pair ? pair : single) n += int64_t(piece.ids.size());
  return n;
}

PostProcessor::Spaces PostProcessor::spaces(std::string_view token) {
  constexpr char32_t kSpace = byte_level::kCharacters[' '];
  const Unicode& unicode = Unicode::get();
  Spaces result{};
  bool only_spaces = true;
  for (const char *p = token.data(), *end = p + token.size(); p < end;) {
    const char32_t c = next_character(p);
    const bool is_space = c == kSpace || unicode.has(c, kWhite);
    only_spaces &= is_space;
    result.leading += only_spaces;
    result.trailing = is_space ? result.trailing + 1 : 0;
  }
  return result;
}

Span PostProcessor::trimmed(Span span, Spaces spaces, bool is_first) const {
  for (const Trim& trim : trims) {
    const bool put_there = (is_first || span.begin == 0) && trim.add_prefix_space && spaces.leading == 1;
    if (!put_there) span.begin = std::min(span.begin + spaces.leading, span.end);
    if (span.end >= spaces.trailing) span.end = std::max(span.end - spaces.trailing, span.begin);
  }
  return span;
}

}  // namespace fastplm::text
