#include "text/fused/byte_bpe.h"

#include <algorithm>
#include <span>
#include <vector>

#include "text/base/utf8.h"
#include "text/stages/byte_level.h"

namespace fastplm::text {

namespace {

// The vocabulary's tokens as the bytes they stand for.
struct ByteTokens {
  std::string bytes;
  std::vector<TokenMatcher::Entry> entries;
  int64_t symbols = 0;

  explicit ByteTokens(const Vocabulary& vocabulary) {
    std::vector<size_t> ends;
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < vocabulary.size(); ++i) {
      const std::string_view token = vocabulary.token(i);
      const size_t begin = bytes.size();
      const char* p = token.data();
      int byte = 0;
      while (p < token.data() + token.size() && (byte = byte_level::byte_of(next_character(p))) >= 0)
        bytes += char(byte);
      if (byte < 0) {   // not one that text is made of
        bytes.resize(begin);
        continue;
      }
      ends.push_back(bytes.size());
      ids.push_back(vocabulary.id(i));
    }
    entries.resize(ids.size());
    for (size_t i = 0, begin = 0; i < ids.size(); begin = ends[i++]) {
      entries[i] = {std::string_view(bytes).substr(begin, ends[i] - begin), ids[i], ends[i] - begin == 1};
      symbols += entries[i].is_symbol;
    }
  }
};

}  // namespace

// What cuts the text, if it is one of the scanners and nothing else, before ByteLevel writes it as characters.
struct Cut {
  const Scanner* scanner = nullptr;
  bool add_prefix_space = false;
};

static Cut cut_of(const Value& pre_tokenizer) {
  if (pre_tokenizer.s("type") == "ByteLevel") {
    return {pre_tokenizer.b("use_regex", true) ? &gpt2_scanner() : nullptr, pre_tokenizer.b("add_prefix_space")};
  }
  if (pre_tokenizer.s("type") != "Sequence") return {};
  const Value::Array& steps = pre_tokenizer.at("pretokenizers").array("pretokenizers");
  if (steps.size() < 2) return {};
  const Value& last = steps.back();
  if (last.s("type") != "ByteLevel" || last.b("use_regex", true) || last.b("add_prefix_space")) return {};
  std::vector<std::string_view> patterns;
  for (const Value& step : std::span(steps).first(steps.size() - 1)) {
    if (step.s("type") != "Split" || step.s("behavior") != "Isolated" || step.b("invert", false)) return {};
    const Value* regex = step.at("pattern").find("Regex");
    if (!regex) return {};
    patterns.push_back(regex->string("Regex"));
  }
  return {find_scanner(patterns.data(), patterns.size())};
}

std::unique_ptr<ByteBpe> ByteBpe::make(const Value& pre_tokenizer, const Bpe& model, const Vocabulary& vocabulary) {
  const Cut cut = cut_of(pre_tokenizer);
  if (!cut.scanner || !model.is_plain()) return nullptr;
  const ByteTokens tokens(vocabulary);
  if (tokens.symbols != 256) return nullptr;   // some byte has no token
  std::unique_ptr<TokenMatcher> matcher = TokenMatcher::make(model.merges(), tokens.entries);
  if (!matcher) return nullptr;
  return std::unique_ptr<ByteBpe>(
      new ByteBpe(model, std::move(matcher), tokens.entries, *cut.scanner, cut.add_prefix_space));
}

ByteBpe::ByteBpe(const Bpe& model, std::unique_ptr<TokenMatcher> matcher, std::span<const TokenMatcher::Entry> tokens,
                 const Scanner& scanner, bool add_prefix_space)
    : model_(model),
      words_(*matcher, tokens, model.ignores_merges()),
      cuts_(TokenMatcher::written(tokens)),
      may_cut_(!model.ignores_merges() ||
               std::ranges::all_of(tokens, [&](const auto& token) { return matcher->is_made(token.id); })),
      matcher_(std::move(matcher)),
      scanner_(scanner),
      add_prefix_space_(add_prefix_space) {}

void ByteBpe::run(std::string_view text, bool is_first, int64_t limit, Ids& ids) const {
  if (add_prefix_space_ && is_first && text[0] != ' ') {
    std::string prefixed;
    prefixed.reserve(text.size() + 1);
    prefixed += ' ';
    prefixed += text;
    return scan(prefixed, limit, ids);
  }
  scan(text, limit, ids);
}

void ByteBpe::scan(std::string_view text, int64_t limit, Ids& ids) const {
  WordCache& cache = WordCache::of_thread();
  const char* p = text.data();
  const char* const end = p + text.size();
  uint32_t bounds[WordCache::kBatch + 1] = {};
  const auto make = [&](std::string_view word, Ids& to) { add_word(word, to); };
  const auto add = [&](const char* row, const uint32_t* parts, size_t count, bool may_cut = false) {
    return cache.add_row(owner_, words_, row, parts, count, end, may_cut, ids, make);
  };
  while (p < end && ids.size() < limit) {
    const size_t count = scanner_.scan(p, end, bounds + 1, WordCache::kBatch);
    if (!add(p, bounds, count, may_cut_)) cuts_.parts<WordCache::kBatch>(p, bounds, count, add);
    p += bounds[count];
  }
}

void ByteBpe::add_word(std::string_view word, Ids& ids) const {
  if (model_.ignores_merges()) {
    if (const int32_t id = matcher_->find(word); id >= 0) return ids.push(id);
  }
  matcher_->append(word, ids);
}

}  // namespace fastplm::text
