#include "text/fused/space_bpe.h"

#include "text/base/utf8.h"
#include "text/stages/metaspace.h"

namespace fastplm::text {

constexpr std::string_view kMark = "\u2581";

static bool is_mark_for_space(const Value& part) {
  if (part.s("type") != "Replace" || part.s("content") != kMark) return false;
  const Value* pattern = part.at("pattern").find("String");
  return pattern && pattern->string("String") == " ";
}

bool SpaceBpe::read_stages(const Value* normalizer, const Value* pre_tokenizer, Prefix* prefix) {
  *prefix = kNone;
  if (normalizer && !pre_tokenizer) {
    if (is_mark_for_space(*normalizer)) return true;
    if (normalizer->s("type") != "Sequence") return false;
    const Value::Array& parts = normalizer->at("normalizers").array("normalizers");
    *prefix = kAlways;
    return parts.size() == 2 && parts[0].s("type") == "Prepend" && parts[0].s("prepend") == kMark &&
           is_mark_for_space(parts[1]);
  }
  if (normalizer || !pre_tokenizer || pre_tokenizer->s("type") != "Metaspace") return false;
  const MetaspacePreTokenizer metaspace(*pre_tokenizer);
  using M = MetaspacePreTokenizer;
  *prefix = metaspace.prepend() == M::kAlways ? kMissing : metaspace.prepend() == M::kFirst ? kFirst : kNone;
  return metaspace.replacement() == kMark && !metaspace.splits();
}

// With a space for each mark.
static void append_with_spaces(std::string_view token, std::string& to) {
  for (size_t at; (at = token.find(kMark)) != std::string_view::npos; token.remove_prefix(at + kMark.size()))
    to.append(token, 0, at) += ' ';
  to += token;
}

std::unique_ptr<SpaceBpe> SpaceBpe::make(const Value* normalizer, const Value* pre_tokenizer, const Bpe& model,
                                         const Vocabulary& vocabulary) {
  Prefix prefix;
  if (!read_stages(normalizer, pre_tokenizer, &prefix)) return nullptr;
  if (!model.is_plain() || model.ignores_merges() || !model.bytes_are_apart()) return nullptr;
  std::string texts;   // one after the other: they lie where they are once there is room for all
  size_t bytes = 0;
  for (int64_t i = 0; i < vocabulary.size(); ++i) bytes += vocabulary.token(i).size();
  texts.reserve(bytes);
  std::vector<TokenMatcher::Entry> entries;
  std::vector<bool> known(CharacterBits::kEnd);
  for (int64_t i = 0; i < vocabulary.size(); ++i) {
    const std::string_view token = vocabulary.token(i);
    if (token.empty() || token.find(' ') != std::string_view::npos) continue;   // text has no such token in it
    const size_t begin = texts.size();
    append_with_spaces(token, texts);
    const std::string_view written = std::string_view(texts).substr(begin);
    const char* p = written.data();
    const char32_t first = next_character(p);
    const bool is_character = p == written.data() + written.size();
    entries.push_back({written, vocabulary.id(i), is_character});
    if (is_character && first < CharacterBits::kEnd) known[first] = true;
  }
  std::unique_ptr<TokenMatcher> matcher = TokenMatcher::make(model.merges(), entries);
  if (!matcher) return nullptr;
  return std::unique_ptr<SpaceBpe>(
      new SpaceBpe(model, std::move(matcher), entries, CharacterBits([&](char32_t c) { return known[c]; }), prefix));
}

SpaceBpe::SpaceBpe(const Bpe& model, std::unique_ptr<TokenMatcher> matcher, std::span<const TokenMatcher::Entry> tokens,
                   const CharacterBits& characters, Prefix prefix)
    : bytes_(model.bytes()),
      words_(*matcher, tokens, false),
      cuts_(TokenMatcher::written(tokens)),
      matcher_(std::move(matcher)),
      characters_(characters),
      prefix_(prefix) {}

bool SpaceBpe::run(std::string_view text, bool begins, int64_t limit, Ids& ids) const {
  if (text.find(kMark) != std::string_view::npos) return false;
  WordCache& cache = WordCache::of_thread();
  const char* p = text.data();
  const char* const end = p + text.size();
  uint32_t bounds[WordCache::kBatch + 1] = {};
  const auto make = [&](std::string_view word, Ids& to) { append(word, to); };
  if (prefix_ == kAlways || (*p != ' ' && (prefix_ == kMissing || (prefix_ == kFirst && begins)))) {
    cuts_.find(p, end, bounds + 1, 1);
    const std::string word = ' ' + std::string(p, bounds[1]);
    p += bounds[1];
    cache.add(owner_, word, word.data() + word.size(), ids, make);
  }
  while (p < end && ids.size() < limit) {
    const size_t count = cuts_.find(p, end, bounds + 1, WordCache::kBatch);
    cache.add_row(owner_, words_, p, bounds, count, end, false, ids, make);
    p += bounds[count];
  }
  return true;
}

// Characters without a token become bytes, and nothing joins what stands before them to what follows.
void SpaceBpe::append(std::string_view word, Ids& ids) const {
  const char* const end = word.data() + word.size();
  const char* begin = word.data();
  const auto match = [&](const char* to) {
    if (begin < to) matcher_->append({begin, size_t(to - begin)}, ids);
  };
  for (const char* p = begin; (p = characters_.skip(p, end)) < end;) {
    const char* const at = p;
    const char32_t c = next_character(p);
    std::string_view character(at, size_t(p - at));
    if (c >= CharacterBits::kEnd && matcher_->find(character) >= 0) continue;
    match(at);
    if (c == ' ') character = kMark;
    for (char byte : character) ids.push(bytes_[uint8_t(byte)]);
    begin = p;
  }
  match(end);
}

}  // namespace fastplm::text
