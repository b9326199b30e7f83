// The "post_processor" section of tokenizer.json.
#include "text/stage.h"

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

// [CLS] A [SEP] and [CLS] A [SEP] B [SEP]
static PostProcessor bert_processing(const Value& settings) {
  const auto special = [&](const char* name, int32_t type_id) {
    const Value::Array& token = settings.at(name).array(name);   // [content, id]
    if (token.size() != 2) fail(ErrorKind::kFile, "tokenizer.json: post_processor.", name, ": expected [token, id]");
    return TemplatePiece{.type_id = type_id, .ids = {id_from(token[1])}};
  };
  const TemplatePiece a{.sequence = 0}, b{.sequence = 1, .type_id = 1};
  return {.single = {special("cls", 0), a, special("sep", 0)},
          .pair = {special("cls", 0), a, special("sep", 0), b, special("sep", 1)}};
}

struct {
  const char* type;
  PostProcessor (*make)(const Value&);
} constexpr kPostProcessors[] = {
    {"TemplateProcessing", template_processing},
    {"BertProcessing", bert_processing},
};

PostProcessor make_post_processor(const Value& settings) {
  return find_row(kPostProcessors, settings, "post_processor").make(settings);
}

int64_t PostProcessor::added(bool is_pair) const {
  int64_t n = 0;
  for (const TemplatePiece& piece : is_pair ? pair : single) n += int64_t(piece.ids.size());
  return n;
}

}  // namespace fastplm::text
