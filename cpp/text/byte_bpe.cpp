#include "text/byte_bpe.h"

#include "text/byte_level.h"
#include "text/utf8.h"

namespace fastplm::text {

static int32_t id_of_byte(const Vocabulary& vocabulary, size_t byte) {
  char character[4];
  return vocabulary.id_of({character, size_t(write_character(byte_level::kCharacters[byte], character))});
}

bool ByteBpe::fits(const Bpe& model, const Vocabulary& vocabulary) {
  for (size_t byte = 0; byte < 256; ++byte) {
    if (id_of_byte(vocabulary, byte) < 0) return false;
  }
  return model.is_plain();
}

ByteBpe::ByteBpe(const Bpe& model, const Vocabulary& vocabulary, FindWords find_words, bool add_prefix_space)
    : model_(model),
      vocabulary_(vocabulary),
      find_words_(find_words),
      add_prefix_space_(add_prefix_space),
      owner_(WordCache::new_owner()) {
  for (size_t byte = 0; byte < 256; ++byte) byte_ids_[byte] = id_of_byte(vocabulary, byte);
}

void ByteBpe::run(std::string_view text, int64_t limit, Ids& ids) const {
  if (add_prefix_space_ && text[0] != ' ') {
    std::string prefixed;
    prefixed.reserve(text.size() + 1);
    prefixed += ' ';
    prefixed += text;
    return find(prefixed, limit, ids);
  }
  find(text, limit, ids);
}

void ByteBpe::find(std::string_view text, int64_t limit, Ids& ids) const {
  WordCache& cache = WordCache::of_thread();
  const char* p = text.data();
  const char* const end = p + text.size();
  const char* ends[64];
  while (p < end && ids.size() < limit) {
    const size_t words = find_words_(p, end, ends, std::size(ends));
    for (size_t i = 0; i < words; p = ends[i++]) {
      const std::string_view word(p, size_t(ends[i] - p));
      cache.add(owner_, word, end, ids, [&](Ids& to) { add_word(word, to); });
    }
  }
}

void ByteBpe::add_word(std::string_view word, Ids& ids) const {
  if (model_.ignores_merges()) {
    std::string written;
    char character[4];
    for (char byte : word) {
      written.append(character, size_t(write_character(byte_level::kCharacters[uint8_t(byte)], character)));
    }
    if (const int32_t id = vocabulary_.id_of(written); id >= 0) return ids.push(id);
  }
  thread_local std::vector<Symbol> symbols;
  symbols.clear();
  for (char byte : word) symbols.push_back({byte_ids_[uint8_t(byte)], 1});
  const int64_t n = model_.merges().apply(symbols.data(), int64_t(symbols.size()));
  for (int64_t i = 0; i < n; ++i) ids.push(symbols[size_t(i)].id);
  constexpr size_t kKeep = 1 << 16;
  if (symbols.capacity() > kKeep) symbols = {};
}

}  // namespace fastplm::text
