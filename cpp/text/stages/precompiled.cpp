#include "text/stages/precompiled.h"

#include "text/stages/transform.h"

namespace fastplm::text {

constexpr size_t kMaxWholeLookup = 6;   // a cluster of fewer bytes is

Precompiled::Precompiled(const Value& settings)
    : graphemes_(Graphemes::get()), charsmap_(settings.s("precompiled_charsmap")) {
  plain_.emplace([&](char32_t c) { return is_plain(c); });
}

bool Precompiled::stays(char32_t c) const {
  char encoded[4];
  const std::string_view character(encoded, size_t(write_character(c, encoded)));
  return charsmap_.shortest(character).value_or(character) == character;
}

const char* Precompiled::skip_plain(const char* p, const char* end) const {
  while ((p = plain_->skip(p, end)) < end) {
    const char* next = p;
    const char32_t c = next_character(next);
    if (c < CharacterBits::kEnd || !is_plain(c)) break;
    p = next;
  }
  return p;
}

template <class Edit>
void Precompiled::find_edits(const char* p, const char* end, Edit&& edit) const {
  while (p < end) {
    const char* const begin = p;
    p = skip_plain(p, end);
    if (p == end) return;
    const char* q = p;
    if (p > begin && !Graphemes::is_separate(graphemes_.property(next_character(q)))) {
      do --p;   // the cluster begins with the plain character before
      while (is_continuation(*p));
    }
    const char* const next = graphemes_.end_of_cluster(p, end);
    const auto size = size_t(next - p);
    if (const auto whole = size < kMaxWholeLookup ? charsmap_.shortest({p, size}) : std::nullopt) {
      edit(p, next, *whole);
      p = next;
    }
    while (p < next) {
      const char* const character = p;
      next_character(p);
      if (const auto one = charsmap_.shortest({character, size_t(p - character)})) edit(character, p, *one);
    }
  }
}

// Rewrites an aligned text as the reference does: of the characters that replace others, those that are more than
// the replaced ones are inserted; if they are fewer, the last character put so far takes the place of the rest, too,
// and where there is none yet, the replaced ones stay to be read for what follows.
class AlignedEdits {
 public:
  explicit AlignedEdits(Text& text) : transform_(text) {}

  const std::string& old() const { return transform_.old(); }

  void keep(const char* begin, const char* end) {
    if (begin == end) return;
    flush();
    const char* last = end;
    do --last;
    while (is_continuation(*last));
    if (in_step_) {
      transform_.keep(size_t(last - begin));
    } else {
      for (const char* p = begin; p < last;) transform_.put(next_character(p), 1);
    }
    push(next_character(last), 1);
  }

  void replace(std::string_view old, std::string_view by) {
    int64_t left = count_characters(old);
    for (const char* p = by.data(); p < by.data() + by.size();) {
      push(next_character(p), left > 0);
      left -= left > 0;
    }
    if (pending_) {
      count_ += left;
    } else {
      in_step_ &= left == 0;
    }
  }

  // Puts the last character. Whoever made this calls it at the end.
  void flush() {
    if (pending_) transform_.put(character_, count_);
    pending_ = false;
  }

 private:
  void push(char32_t c, int64_t count) {
    flush();
    character_ = c;
    count_ = count;
    pending_ = true;
  }

  Transform transform_;
  bool in_step_ = true;   // whether what is read is what is kept
  bool pending_ = false;  // whether there is a last character: only before the first is there none
  char32_t character_ = 0;
  int64_t count_ = 0;     // of old characters whose place it takes
};

void Precompiled::run(Text& text) const {
  const char* const begin = text.bytes.data();
  const char* const end = begin + text.bytes.size();
  if (text.aligned) {
    if (skip_plain(begin, end) == end) return;
    AlignedEdits edits(text);
    const char* done = edits.old().data();
    const char* const old_end = done + edits.old().size();
    find_edits(done, old_end, [&](const char* from, const char* to, std::string_view by) {
      edits.keep(done, from);
      edits.replace({from, size_t(to - from)}, by);
      done = to;
    });
    edits.keep(done, old_end);
    edits.flush();
    return;
  }
  std::string bytes;
  const char* done = begin;
  find_edits(begin, end, [&](const char* from, const char* to, std::string_view by) {
    if (bytes.empty()) bytes.reserve(text.bytes.size() + 64);
    bytes.append(done, from).append(by);
    done = to;
  });
  if (done == begin) return;
  bytes.append(done, end);
  text.bytes = std::move(bytes);
}

}  // namespace fastplm::text
