// Byte-pair encoding without merging, in time linear in the text. What merges make of a word is the one row of tokens
// in which every two neighbours, alone, would stay as they are (van Antwerpen and Neubeck, "So many tokens, so little
// time", 2024). It is found from left to right: the longest token that may follow the one before it is taken, and a
// shorter one where that leads nowhere.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>
#include "core/buffer.h"
#include "text/base/ids.h"
#include "text/lookup/double_array.h"
#include "text/lookup/merges.h"

namespace fastplm::text {

class TokenMatcher {
 public:
  struct Entry {
    std::string_view bytes;
    int32_t id;
    bool is_symbol;   // what merges begin with
  };
  static std::vector<std::string_view> written(std::span<const Entry> tokens);

  // Keeps a reference to `merges`. Null if `tokens` are not ones that it can work with: an id given twice or far above
  // their number, a token of more than 256 bytes.
  static std::unique_ptr<TokenMatcher> make(const Merges& merges, std::span<const Entry> tokens);

  ~TokenMatcher();

  // Appends what `merges` make of `word`, which is not empty and consists of symbols.
  void append(std::string_view word, Ids& ids) const;

  // The token that is written like this, whether or not merges arrive at it; -1: none.
  int32_t find(std::string_view word) const {
    const TrieUnit* const found = trie_.find(word);
    return found ? found->value >> 1 : -1;
  }

  // Whether merges make this token, and nothing else, of what it is written with.
  bool is_made(int32_t id) const { return tokens_[id].level != kNever; }

 private:
  static constexpr uint32_t kNever = Merges::kNever;
  struct Token {
    uint32_t level = kNever;  // 0: a symbol; else the highest rank among the merges that make it, from 1 on
    int32_t left = -1, right = -1;  // what the last of these merges joins
    uint32_t size = 0;  // bytes; 0: no such token
    // Bits of those that some merge joins to it. Most pairs have no merge, and need no other look to know it.
    uint64_t behind = 0, before = 0;

    static uint64_t bit_of(int32_t id) {
      constexpr uint32_t kGoldenRatio = 0x9e3779b1;   // 2^32 / golden ratio
      return uint64_t(1) << (uint32_t(id) * kGoldenRatio >> 26);
    }
  };
  class Tokens {   // by id, on huge pages: every other step of a search is to a token far away
   public:
    explicit Tokens(size_t count) : memory_(int64_t(count * sizeof(Token))), all_(memory_.as<Token>(), count) {
      std::uninitialized_fill(all_.begin(), all_.end(), Token{});
    }
    Token& operator[](int32_t id) { return all_[size_t(id)]; }
    const Token& operator[](int32_t id) const { return all_[size_t(id)]; }
    size_t size() const { return all_.size(); }

   private:
    Buffer memory_;
    std::span<Token> all_;
  };

  class Trials;
  class Seam;
  TokenMatcher(const Merges& merges, Tokens tokens, std::unique_ptr<Trials> trials, std::span<const Entry> entries);
  static void find_parts(const Merges& merges, Tokens& tokens, Trials& trials);
  static std::vector<std::pair<std::string_view, int32_t>> keys(const Tokens& tokens, std::span<const Entry> entries);
  struct Match {
    int32_t id;  // -1: none
    uint32_t size;
  };
  Match longest(const char* p, const char* end) const;

  const Merges& merges_;
  Tokens tokens_;
  std::unique_ptr<Trials> trials_;
  std::vector<int32_t> shorter_;  // by id: the longest token that it begins with, other than itself; -1: none
  DoubleArray<TrieUnit> trie_;  // id << 1 | whether merges arrive at it
};

}  // namespace fastplm::text
