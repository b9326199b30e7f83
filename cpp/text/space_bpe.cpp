#include "text/space_bpe.h"

#include <algorithm>
#include <bit>

#include "kernels/kernels.h"
#include "text/metaspace.h"
#include "text/utf8.h"

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
  if (!model.cuts() || model.ignores_merges() || !model.bytes_are_apart()) return nullptr;
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
      new SpaceBpe(model, std::move(matcher), CharacterBits([&](char32_t c) { return known[c]; }), prefix));
}

SpaceBpe::SpaceBpe(const Bpe& model, std::unique_ptr<TokenMatcher> matcher, const CharacterBits& known, Prefix prefix)
    : bytes_(model.bytes()), matcher_(std::move(matcher)), known_(known), prefix_(prefix) {}

// The ends of words from p on: spaces and what follows them up to the next one.
static size_t find_ends(const char* p, const char* end, const char** ends, size_t room) {
  const auto classify = kernels().ascii;
  size_t count = 0;
  uint64_t space_before = 1;   // 0 or 1; what p points to does not end a word
  for (; end - p >= 64 && count < room; p += 64) {
    AsciiClasses is;
    classify(p, is);
    uint64_t found = is.space & ~(is.space << 1 | space_before);
    space_before = is.space >> 63;
    for (; found && count < room; found &= found - 1) ends[count++] = p + std::countr_zero(found);
  }
  for (; p < end && count < room; ++p) {
    if (*p == ' ' && !space_before) ends[count++] = p;
    space_before = *p == ' ';
  }
  if (count < room) ends[count++] = end;
  return count;
}

bool SpaceBpe::run(std::string_view text, bool begins, int64_t limit, Ids& ids) const {
  if (text.find(kMark) != std::string_view::npos) return false;
  WordCache& cache = WordCache::of_thread();
  const char* p = text.data();
  const char* const end = p + text.size();
  const char* ends[WordCache::kAtOnce];
  const auto make = [&](std::string_view word, Ids& to) { append(word, to); };
  if (prefix_ == kAlways || (*p != ' ' && (prefix_ == kMissing || (prefix_ == kFirst && begins)))) {
    find_ends(p, end, ends, 1);
    const std::string word = ' ' + std::string(p, ends[0]);
    p = ends[0];
    cache.add(owner_, word, word.data() + word.size(), ids, make);
  }
  while (p < end && ids.size() < limit) {
    const size_t words = find_ends(p, end, ends, WordCache::kAtOnce);
    const auto word = [&](size_t i) { return std::string_view(i ? ends[i - 1] : p, ends[i]); };
    cache.add_row(owner_, words, word, end, ids, make);
    p = ends[words - 1];
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
  for (const char* p = begin; (p = known_.skip(p, end)) < end;) {
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
