#include "text/models/sentencepiece_bpe.h"

#include <algorithm>
#include <bit>

#include "text/base/utf8.h"
#include "text/stages/spaced_words.h"

namespace fastplm::text {

// Time grows with the square of a piece's length. The longest piece that the library's trainer makes by default has 16
// characters.
constexpr size_t kLongestPiece = 4096;

// Numbers in the order of floats, 0 behind -0.
static int32_t order_of(float score) {
  const auto bits = std::bit_cast<int32_t>(score);
  return bits < 0 ? bits ^ INT32_MAX : bits;
}

// The place of each score among the different ones, the highest first.
static std::vector<uint32_t> ranks_of(const std::vector<float>& scores) {
  std::vector<int32_t> different(scores.size());
  std::ranges::transform(scores, different.begin(), order_of);
  std::ranges::sort(different, std::greater{});
  different.erase(std::unique(different.begin(), different.end()), different.end());
  std::vector<uint32_t> ranks(scores.size());
  std::ranges::transform(scores, ranks.begin(), [&](float score) {
    return uint32_t(std::ranges::lower_bound(different, order_of(score), std::greater{}) - different.begin());
  });
  return ranks;
}

SentencePieceBpe::SentencePieceBpe(const Value& settings, const Vocabulary& vocabulary)
    : SentencePieceModel(settings, vocabulary), symbols_(user_symbols()), merges_(make_merges(settings)) {
  for (size_t c = 0; c < ascii_.size(); ++c) {
    const char character = char(c);
    ascii_[c] = symbol_of({&character, 1});
  }
}

Merges SentencePieceBpe::make_merges(const Value& settings) {
  if (!settings.has("scores")) {
    cuts_ = can_cut({});
    return Merges({});
  }
  const std::vector<uint32_t> ranks = ranks_of(read_scores(settings, vocabulary_));
  int32_t next = ids_end() + 1;
  // A side of a merge: a piece, or a single character even if it is none; kUnknown: it never comes about.
  const auto side = [&](std::string_view text) {
    const int32_t id = vocabulary_.id_of(text);
    if (id >= 0 && kind(id) == Kind::kNormal) return id;
    const bool by_user = id >= 0 && kind(id) == Kind::kUserDefined;   // is never joined to anything
    if (by_user || count_characters(text) > 1) return kUnknown;
    const auto [at, is_new] = characters_.try_emplace(std::string(text), next);
    next += is_new;
    return at->second;
  };
  std::vector<Merges::Rule> rules;
  std::vector<uint32_t> ranks_of_rules;
  for (int64_t i = 0; i < vocabulary_.size(); ++i) {
    const std::string_view piece = vocabulary_.token(i);
    const int32_t id = vocabulary_.id(i);
    if (kind(id) == Kind::kUnused) {
      fail(ErrorKind::kUnsupported, "SentencePiece: piece ", id, ", \"", piece,
           "\", has the type UNUSED, which fastplm does not know with byte-pair encoding");
    }
    if (kind(id) != Kind::kNormal) continue;
    if (piece.size() > kLongestPiece) {
      fail(ErrorKind::kFile, "SentencePiece: piece ", id, " has ", piece.size(), " bytes; expected at most ",
           kLongestPiece);
    }
    for (size_t at = 1; at < piece.size(); ++at) {
      if (is_continuation(piece[at])) continue;
      const int32_t left = side(piece.substr(0, at)), right = left < 0 ? left : side(piece.substr(at));
      if (right < 0) continue;
      rules.push_back({left, right, id});
      ranks_of_rules.push_back(ranks[size_t(id)]);
    }
  }
  cuts_ = can_cut(rules);
  return Merges(rules, ranks_of_rules);
}

// Whether no merge and no user-defined symbol leads from something else to U+2581. It must be known, as unknown text
// is one token from end to end.
bool SentencePieceBpe::can_cut(const std::vector<Merges::Rule>& rules) const {
  const auto reaches_next_word = [](std::string_view symbol) { return end_of_spaced_word(symbol, 0) < symbol.size(); };
  const auto joins = [&](const Merges::Rule& rule) {
    std::string_view made;
    vocabulary_.find(rule.result, &made);
    return reaches_next_word(made);
  };
  return find(kSpaceSign) >= 0 && std::ranges::none_of(rules, joins) &&
         std::ranges::none_of(user_symbols(), reaches_next_word);
}

int32_t SentencePieceBpe::symbol_of(std::string_view character) const {
  if (const int32_t id = find(character); id >= 0) return id;
  const auto joining = characters_.find(character);
  return joining == characters_.end() ? ids_end() : joining->second;
}

template <class Part>
void SentencePieceBpe::cut(std::string_view text, Part&& part) const {
  for (size_t begin = 0, end = 0; begin < text.size(); begin = end) {
    end = cuts_ ? end_of_spaced_word(text, begin) : text.size();
    part(begin, end);
  }
}

template <class Found>
void SentencePieceBpe::join(std::string_view part, uint32_t begin, Found&& found) const {
  constexpr size_t kKeep = 1 << 16;
  thread_local std::vector<Symbol> symbols;
  if (symbols.capacity() > kKeep) symbols = {};
  symbols.clear();
  const char* const end = part.data() + part.size();
  for (const char* p = part.data(); p < end;) {
    const char* const from = p;
    size_t size = symbols_.longest(p, end);
    if (size == 0) {
      next_character(p);
      size = size_t(p - from);
    }
    p = from + size;
    const int32_t id = size == 1 && uint8_t(*from) < 0x80 ? ascii_[uint8_t(*from)] : symbol_of({from, size});
    symbols.push_back({id, uint32_t(size)});
  }
  const int64_t left = merges_.apply(symbols.data(), int64_t(symbols.size()));
  for (int64_t i = 0; i < left; ++i) {
    found(symbols[i].id < ids_end() ? symbols[i].id : kUnknown, begin, begin + symbols[i].size);
    begin += symbols[i].size;
  }
}

void SentencePieceBpe::tokenize(std::string_view text, std::vector<Token>& tokens) const {
  const auto pieces = [&](auto found) {
    cut(text, [&](size_t begin, size_t end) { join(text.substr(begin, end - begin), uint32_t(begin), found); });
  };
  write(text, pieces, [&](int32_t id, uint32_t begin, uint32_t end) { tokens.push_back({id, begin, end}); });
}

void SentencePieceBpe::append_ids(std::string_view text, Ids& ids) const {
  const auto make = [&](std::string_view part, Ids& to) {
    write(part, [&](auto found) { join(part, 0, found); }, [&](int32_t id, uint32_t, uint32_t) { to.push(id); });
  };
  WordCache& cache = WordCache::of_thread();
  cut(text, [&](size_t begin, size_t end) {
    cache.add(owner_, text.substr(begin, end - begin), text.data() + text.size(), ids, make);
  });
}

}  // namespace fastplm::text
