// Regular expressions as the reference's engine (Oniguruma, its own syntax) has them: leftmost match, alternatives in
// order. Matching backtracks, but never through the same state at the same place twice, so that the time is linear in
// the text for any pattern.
//
// Supported: literals and escapes, . and classes ([...], nested, ^, &&, [:name:], \d \s \w \h \p{...} and their
// negations, \R \N \O), (?i) (?m) and groups of them, groups, alternatives, greedy, lazy and possessive repeats, atomic
// groups, lookahead, lookbehind of known length, ^ $ \A \z \Z \b \B. A pattern with anything else raises
// Error(kUnsupported) naming it, a broken one Error(kFile).
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace fastplm::text {

class RegexProgram;

class Regex {
 public:
  explicit Regex(std::string_view pattern);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  struct Match {
    size_t begin, end;
  };

  // One text's matches. Keeps what it learned from one call to the next, within bounds. `text` must stay.
  class Search {
   public:
    Search(const Regex& regex, std::string_view text);
    ~Search();
    // The leftmost match that begins at or after byte `from`, which must not be less than in the call before.
    bool find(size_t from, Match* match);
    // The next match as the reference goes through a text: after an empty one it moves on by a character, and an
    // empty one may be passed over after one that is not.
    bool next(Match* match);

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  std::shared_ptr<const RegexProgram> program_;
};

}  // namespace fastplm::text
