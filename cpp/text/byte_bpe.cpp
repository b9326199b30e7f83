#include "text/byte_bpe.h"

#include <algorithm>
#include <span>

#include "text/byte_level.h"
#include "text/utf8.h"
#include "text/word_cache.h"

namespace fastplm::text {

static int32_t id_of_byte(const Vocabulary& vocabulary, size_t byte) {
  char character[4];
  return vocabulary.id_of({character, size_t(write_character(byte_level::kCharacters[byte], character))});
}

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
  std::unique_ptr<ByteBpe> made(new ByteBpe(model, vocabulary, *cut.scanner, cut.add_prefix_space));
  if (std::ranges::min(made->byte_ids_) < 0) return nullptr;
  return made;
}

ByteBpe::ByteBpe(const Bpe& model, const Vocabulary& vocabulary, const Scanner& scanner, bool add_prefix_space)
    : model_(model),
      vocabulary_(vocabulary),
      scanner_(scanner),
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
    return scan(prefixed, limit, ids);
  }
  scan(text, limit, ids);
}

void ByteBpe::scan(std::string_view text, int64_t limit, Ids& ids) const {
  WordCache& cache = WordCache::of_thread();
  const char* p = text.data();
  const char* const end = p + text.size();
  constexpr size_t kAtOnce = 32;   // words whose places in the cache are fetched together
  uint32_t ends[kAtOnce];
  WordKey keys[kAtOnce];
  while (p < end && ids.size() < limit) {
    const size_t words = scanner_.scan(p, end, ends, kAtOnce);
    const auto word = [&](size_t i) {
      const uint32_t begin = i ? ends[i - 1] : 0;
      return std::string_view(p + begin, ends[i] - begin);
    };
    for (size_t i = 0; i < words; ++i) {
      if (word(i).size() > WordKey::kMaxSize) continue;
      keys[i] = WordKey::of(word(i).data(), word(i).size(), end);
      cache.prefetch(keys[i]);
    }
    for (size_t i = 0; i < words; ++i) {
      const auto make = [&](Ids& to) { add_word(word(i), to); };
      if (word(i).size() > WordKey::kMaxSize)
        make(ids);
      else
        cache.add(owner_, keys[i], ids, make);
    }
    p += ends[words - 1];
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
