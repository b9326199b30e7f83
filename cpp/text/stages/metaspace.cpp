#include "text/stages/metaspace.h"

#include "text/stages/piece_writer.h"

namespace fastplm::text {

static std::string one_character(const Value& settings, const char* name) {
  const std::string& text = settings.s(name);
  if (count_characters(text) != 1) fail(ErrorKind::kFile, '"', name, "\" is \"", text, "\"; expected one character");
  return text;
}

static MetaspacePreTokenizer::Prepend read_prepend(const Value& settings) {
  using M = MetaspacePreTokenizer;
  const std::string name = settings.s("prepend_scheme", "always");
  const M::Prepend prepend = name == "always" ? M::kAlways : name == "first" ? M::kFirst : M::kNever;
  if (prepend == M::kNever && name != "never") {
    fail(ErrorKind::kFile, "\"prepend_scheme\" is \"", name, "\"; expected always, never or first");
  }
  // An older name for the same.
  if (!settings.b("add_prefix_space", true) && prepend != M::kNever) {
    fail(ErrorKind::kFile, "\"add_prefix_space\" is false with \"prepend_scheme\" \"", name, "\"; expected \"never\"");
  }
  return prepend;
}

MetaspacePreTokenizer::MetaspacePreTokenizer(const Value& settings)
    : replacement_(one_character(settings, "replacement")),
      prepend_(read_prepend(settings)),
      split_(settings.b("split", true)) {
  settings.s("str_rep", "");   // of old files: says the same as "replacement", and is not read
}

void MetaspacePreTokenizer::run(Text& text, std::vector<Piece>& pieces) const {
  PieceWriter writer(text, pieces);
  writer.run([&](const Piece& piece) {
    const std::string_view bytes(text.bytes.data() + piece.begin, piece.end - piece.begin);
    const bool begins = bytes.starts_with(' ') || bytes.starts_with(replacement_);
    const bool wanted = prepend_ == kAlways || (prepend_ == kFirst && text.begins_at(piece.begin));
    if (wanted && !begins) writer.put(replacement_, piece.begin);
    for (size_t i = 0; i < bytes.size();) {
      const auto from = piece.begin + uint32_t(i);
      const bool space = bytes[i] == ' ';
      const size_t size = space ? 1 : bytes.substr(i).starts_with(replacement_) ? replacement_.size() : 0;
      if (size > 0) {
        if (split_) writer.end();
        writer.put(replacement_, from);
        i += size;
      } else {
        writer.put(bytes.substr(i, 1), from);
        ++i;
      }
    }
  });
}

}  // namespace fastplm::text
