#include "text/fused/space_unigram.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "kernels/kernels.h"
#include "text/stages/metaspace.h"
#include "text/unicode/unicode.h"

namespace fastplm::text {

static char32_t first_of(const std::string& text) {
  const char* p = text.data();
  return next_character(p);
}

std::unique_ptr<SpaceUnigram> SpaceUnigram::make(const Value& pre_tokenizer, const Unigram& model) {
  const Value* last = &pre_tokenizer;
  bool drops_white = false;
  if (pre_tokenizer.s("type") == "Sequence") {
    const Value::Array& parts = pre_tokenizer.at("pretokenizers").array("pretokenizers");
    drops_white = parts.size() == 2 && parts[0].s("type") == "WhitespaceSplit";
    if (parts.size() != 1 + size_t(drops_white)) return nullptr;
    last = &parts.back();
  }
  if (last->s("type") != "Metaspace") return nullptr;
  const MetaspacePreTokenizer metaspace(*last);
  const std::string& mark = metaspace.replacement();
  if (metaspace.prepend() != MetaspacePreTokenizer::kAlways || !metaspace.splits()) return nullptr;
  if (Unicode::get().has(first_of(mark), kWhite)) return nullptr;
  return std::unique_ptr<SpaceUnigram>(new SpaceUnigram(model, mark, drops_white));
}

SpaceUnigram::SpaceUnigram(const Unigram& model, const std::string& mark, bool drops_white)
    : model_(model), mark_(mark), mark_character_(first_of(mark)), drops_white_(drops_white), letters_([&](char32_t c) {
        return c != mark_character_ && !is_between(c);
      }) {}

bool SpaceUnigram::is_between(char32_t c) const { return c == ' ' || (drops_white_ && Unicode::get().has(c, kWhite)); }

const char* SpaceUnigram::end_of_word(const char* p, const char* end) const {
  while ((p = letters_.skip(p, end)) < end) {
    const char* next = p;
    const char32_t c = next_character(next);
    if (c == mark_character_ || is_between(c)) break;
    p = next;
  }
  return p;
}

size_t SpaceUnigram::find_word(const char*& p, const char* end, Word* words) const {
  if (drops_white_) {
    const char* next = p;
    if (is_between(next_character(next))) {
      p = next;
      return 0;
    }
  }
  // A word begins where the last one ended: at a mark, at a space that becomes one, or where one is put.
  if (*p == ' ') {
    ++p;
  } else if (*p == mark_[0] && std::string_view(p, size_t(end - p)).starts_with(mark_)) {
    p += mark_.size();
  }
  words[0].begin = p;
  words[0].end = p = end_of_word(p, end);
  return 1;
}

size_t SpaceUnigram::find_plain_words(const char*& p, const char* end, Word* words, size_t room) const {
  // Behind the end of the text stands a space.
  constexpr size_t kWide = 64;
  const size_t size = std::min(kWide, size_t(end - p));
  char last[kWide];
  if (size < kWide) {
    std::memset(last, ' ', kWide);
    std::memcpy(last, p, size);
  }
  AsciiClasses is;
  kernels().ascii(size < kWide ? last : p, is);
  const uint64_t letters = drops_white_ ? is.letter | is.digit | is.sign : ~is.space & ~is.beyond;
  const uint64_t others = ~(letters | is.space);
  const uint64_t plain = (others & (~others + 1)) - 1;   // the bits below the first of the others
  const uint64_t spaces = is.space & plain;
  size_t count = 0;
  if (drops_white_) {
    uint64_t begins = letters & ~(letters << 1) & plain;
    for (; begins && count < room; begins &= begins - 1) {
      const int begin = std::countr_zero(begins);
      const uint64_t behind = spaces >> begin;
      if (!behind) break;   // it may go on behind the 64 bytes
      words[count++] = {p + begin, p + begin + std::countr_zero(behind)};
    }
    p += std::min(size, size_t(begins ? std::countr_zero(begins) : std::countr_one(plain)));
    return count;
  }
  int begin = 0;   // each word has one space in front, but for the first one of a text
  for (uint64_t ends = spaces & ~uint64_t(1); ends && count < room && size_t(begin) < size; ends &= ends - 1) {
    const int end_of_word = std::countr_zero(ends);
    words[count++] = {p + begin + (p[begin] == ' '), p + end_of_word};
    begin = end_of_word;
  }
  p += begin;
  return count;
}

size_t SpaceUnigram::find_words(const char*& p, const char* end, Word* words, size_t room) const {
  size_t count = 0;
  while (p < end && count < room) {
    const char* const before = p;
    if (mark_character_ >= 0x80 && uint8_t(*p) < 0x80) count += find_plain_words(p, end, words + count, room - count);
    if (p == before) count += find_word(p, end, words + count);
  }
  return count;
}

void SpaceUnigram::run(std::string_view text, int64_t limit, Ids& ids) const {
  WordCache& cache = WordCache::of_thread();
  const char* p = text.data();
  const char* const end = p + text.size();
  Word words[WordCache::kBatch];
  std::string marked;
  const auto word = [&](size_t i) { return std::string_view(words[i].begin, words[i].end); };
  const auto make = [&](std::string_view found, Ids& to) {
    marked = mark_;
    model_.append_ids_uncached(marked += found, to);
  };
  while (p < end && ids.size() < limit) {
    const size_t count = find_words(p, end, words, WordCache::kBatch);
    cache.add_row(owner_, count, word, end, ids, make);
  }
}

}  // namespace fastplm::text
