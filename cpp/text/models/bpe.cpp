#include "text/models/bpe.h"

#include <algorithm>

#include "text/base/utf8.h"
#include "text/stages/spaced_words.h"

namespace fastplm::text {

// The ids of left, right and what they make, in turn.
static std::vector<Merges::Rule> read_rules(const Value& settings) {
  const Value::Integers& ids = settings.at("rules").integers("rules");
  std::vector<Merges::Rule> rules(ids.size() / 3);
  for (size_t i = 0; i < rules.size(); ++i) rules[i] = {ids[3 * i], ids[3 * i + 1], ids[3 * i + 2]};
  return rules;
}

// Whether merges leave a word's parts alone when it is cut before each U+2581 that follows something else.
static bool can_cut(const std::vector<Merges::Rule>& rules, const Vocabulary& vocabulary) {
  const auto joins = [&](const Merges::Rule& rule) {
    std::string_view left, right;
    vocabulary.find(rule.left, &left);
    vocabulary.find(rule.right, &right);
    return right.starts_with(kSpaceSign) && !left.ends_with(kSpaceSign);
  };
  return vocabulary.id_of(kSpaceSign) >= 0 && std::ranges::none_of(rules, joins);
}

Bpe::Bpe(const Value& settings, const Vocabulary& vocabulary) : Bpe(settings, vocabulary, read_rules(settings)) {}

Bpe::Bpe(const Value& settings, const Vocabulary& vocabulary, const std::vector<Merges::Rule>& rules)
    : vocabulary_(vocabulary),
      prefix_(settings.s("continuing_subword_prefix", "")),
      suffix_(settings.s("end_of_word_suffix", "")),
      unk_token_(settings.s("unk_token", "")),
      has_unk_token_(settings.has("unk_token")),
      fuse_unk_(settings.b("fuse_unk", false)),
      byte_fallback_(settings.b("byte_fallback", false)),
      ignore_merges_(settings.b("ignore_merges", false)),
      unk_(has_unk_token_ ? vocabulary.id_of(unk_token_) : -1),
      merges_(rules),
      cuts_(is_plain() && can_cut(rules, vocabulary)) {
  if (settings.d("dropout", 0.0) != 0.0) {
    fail(ErrorKind::kUnsupported, "tokenizer.json: model.dropout is ", settings.d("dropout"),
         ", which makes every answer another; expected null or 0");
  }
  for (size_t c = 0; c < ascii_.size(); ++c) {
    const char character = char(c);
    ascii_[c] = vocabulary.id_of({&character, 1});
  }
  for (size_t byte = 0; byte < fallback_.size(); ++byte) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    const char name[] = {'<', '0', 'x', kDigits[byte >> 4], kDigits[byte & 15], '>'};
    fallback_[byte] = vocabulary.id_of({name, sizeof(name)});
  }
}

bool Bpe::bytes_are_apart() const {
  std::array<int32_t, 256> ids = fallback_;
  std::ranges::sort(ids);
  if (!byte_fallback_ || ids[0] < 0) return false;
  bool apart = true;
  merges_.for_each([&](int32_t left, int32_t right, Merges::Merge) {
    apart = apart && !std::ranges::binary_search(ids, left) && !std::ranges::binary_search(ids, right);
  });
  return apart;
}

// One symbol for each character that the vocabulary has; bytes or unknowns for the others.
void Bpe::start(std::string_view word, std::vector<Symbol>& symbols) const {
  Symbol unknown{-1, 0};   // not yet among the symbols
  std::string decorated;
  const char* const end = word.data() + word.size();
  for (const char* p = word.data(); p < end;) {
    const char* const begin = p;
    next_character(p);
    const std::string_view character(begin, size_t(p - begin));
    std::string_view written = character;
    if (!is_plain()) {
      decorated = (begin > word.data() ? prefix_ : "") + std::string(character) + (p == end ? suffix_ : "");
      written = decorated;
    }
    const int32_t id = written.size() == 1 ? ascii_[uint8_t(written[0])] : vocabulary_.id_of(written);
    if (id < 0) {
      start_unknown(character, written, symbols, unknown);
      continue;
    }
    if (unknown.size > 0) symbols.push_back(unknown);
    unknown.size = 0;
    symbols.push_back({id, uint32_t(character.size())});
  }
  if (unknown.size > 0) symbols.push_back(unknown);
}

// Bytes do not end a run of unknowns, as in the reference: the run then comes behind them.
void Bpe::start_unknown(std::string_view character, std::string_view written, std::vector<Symbol>& symbols,
                        Symbol& unknown) const {
  if (byte_fallback_) {
    const auto known = [&](char byte) { return fallback_[uint8_t(byte)] >= 0; };
    if (std::all_of(written.begin(), written.end(), known)) {
      for (char byte : written) symbols.push_back({fallback_[uint8_t(byte)], 1});
      return;
    }
  }
  if (!has_unk_token_) return;   // left out
  if (unk_ < 0) fail(ErrorKind::kValue, "BPE: a character is unknown, and the vocabulary has no \"", unk_token_, '"');
  if (unknown.size > 0 && !fuse_unk_) {
    symbols.push_back(unknown);
    unknown.size = 0;
  }
  unknown = {unk_, unknown.size + uint32_t(character.size())};
}

template <class Part>
void Bpe::cut(std::string_view word, Part&& part) const {
  for (size_t begin = 0, end = 0; begin < word.size(); begin = end) {
    end = cuts_ ? end_of_spaced_word(word, begin) : word.size();
    part(begin, end);
  }
}

std::span<const Symbol> Bpe::symbols_of(std::string_view part) const {
  constexpr size_t kKeep = 1 << 16;
  thread_local std::vector<Symbol> symbols;
  if (symbols.capacity() > kKeep) symbols = {};
  symbols.clear();
  start(part, symbols);
  return {symbols.data(), size_t(merges_.apply(symbols.data(), int64_t(symbols.size())))};
}

void Bpe::tokenize(std::string_view word, std::vector<Token>& tokens) const {
  if (ignore_merges_) {
    if (const int32_t id = vocabulary_.id_of(word); id >= 0) return tokens.push_back({id, 0, uint32_t(word.size())});
  }
  // Characters that were left out do not count, so the reference's offsets are; a suffix's bytes stand at the end.
  uint32_t at = 0;
  const auto last = uint32_t(word.size() - 1);
  cut(word, [&](size_t begin, size_t end) {
    for (const Symbol& symbol : symbols_of(word.substr(begin, end - begin))) {
      tokens.push_back({symbol.id, std::min(at, last), std::min(at + symbol.size, last + 1)});
      at += symbol.size;
    }
  });
}

void Bpe::append_ids(std::string_view word, Ids& ids) const {
  if (ignore_merges_) {
    if (const int32_t id = vocabulary_.id_of(word); id >= 0) return ids.push(id);
  }
  WordCache& cache = WordCache::of_thread();
  cut(word, [&](size_t begin, size_t end) {
    const auto make = [&](std::string_view part, Ids& to) {
      for (const Symbol& symbol : symbols_of(part)) to.push(symbol.id);
    };
    cache.add(owner_, word.substr(begin, end - begin), word.data() + word.size(), ids, make);
  });
}

}  // namespace fastplm::text
