#include "text/precompiled.h"

#include "text/transform.h"

namespace fastplm::text {

constexpr size_t kLookedUpWhole = 6;   // a cluster of fewer bytes is

template <class... Parts>
[[noreturn]] static void damaged(const Parts&... parts) {
  fail(ErrorKind::kFile, "tokenizer.json: normalizer Precompiled: precompiled_charsmap ", parts...);
}

// As the reference reads it: the padding may be missing, nothing else may.
static std::string decode_base64(std::string_view text) {
  if (text.size() % 4 == 0) {
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  }
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const int digit = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                      : c == '/'             ? 63
                                             : -1;
    if (digit < 0) damaged("is not base64");
    bits = bits << 6 | uint32_t(digit);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(char(bits >> count));
    }
  }
  if (count >= 6 || (bits & ((1u << count) - 1)) != 0) damaged("is not base64: its last digit is wrong");
  return bytes;
}

static uint32_t read_word(const char* p) {
  const auto byte = [&](int i) { return uint32_t(uint8_t(p[i])); };
  return byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
}

// A unit: the byte that leads here, or a leaf's number; whether a key ends here; the distance to the children.
static bool is_leaf(uint32_t unit) { return unit >> 31; }
static uint32_t number(uint32_t leaf) { return leaf & 0x7fffffff; }
static uint32_t label(uint32_t unit) { return unit & 0x800000ff; }   // no byte, for a leaf
static bool ends_key(uint32_t unit) { return unit >> 8 & 1; }
static size_t distance(uint32_t unit) { return size_t(unit >> 10) << (unit >> 9 & 1) * 8; }

void Precompiled::read(std::string_view charsmap) {
  if (charsmap.size() < 4) damaged("has ", charsmap.size(), " bytes; expected at least 4");
  const uint32_t size = read_word(charsmap.data());
  charsmap.remove_prefix(4);
  if (size > charsmap.size()) damaged("has ", charsmap.size(), " bytes after its first word, which says ", size);
  if (size == 0 || size % 1024 != 0) damaged("has an array of ", size, " bytes; expected blocks of 1024");
  units_.resize(size / 4);
  for (size_t i = 0; i < units_.size(); ++i) units_[i] = read_word(charsmap.data() + 4 * i);
  strings_ = charsmap.substr(size);
  if (!is_utf8(strings_)) damaged("has strings that are not UTF-8");

  if (is_leaf(units_[0])) damaged("has a leaf for its root");
  for (size_t i = 0; i < units_.size(); ++i) {
    const uint32_t unit = units_[i];
    if (is_leaf(unit)) continue;
    const size_t children = i ^ distance(unit);   // differs from them in the lowest 8 bits: they share a block
    if (children >= units_.size()) damaged("leads from unit ", i, " to unit ", children, " of ", units_.size());
    if (!ends_key(unit)) continue;
    const uint32_t leaf = units_[children];
    if (!is_leaf(leaf) || number(leaf) > strings_.size() ||
        (number(leaf) < strings_.size() && is_continuation(strings_[number(leaf)]))) {
      damaged("has a key at unit ", i, " without a string");
    }
  }
}

Precompiled::Precompiled(const Value& settings) : graphemes_(Graphemes::get()) {
  read(decode_base64(settings.s("precompiled_charsmap")));
  plain_.emplace([&](char32_t c) { return is_plain(c); });
}

std::optional<std::string_view> Precompiled::find(std::string_view key) const {
  size_t place = distance(units_[0]);
  for (char byte : key) {
    if (byte == 0) break;
    place ^= uint8_t(byte);
    const uint32_t unit = units_[place];
    if (label(unit) != uint8_t(byte)) break;
    place ^= distance(unit);
    if (!ends_key(unit)) continue;
    const std::string_view rest = std::string_view(strings_).substr(number(units_[place]));
    return rest.substr(0, rest.find('\0'));
  }
  return std::nullopt;
}

bool Precompiled::stays(char32_t c) const {
  char encoded[4];
  const std::string_view character(encoded, size_t(write_character(c, encoded)));
  return find(character).value_or(character) == character;
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
    if (const auto whole = size < kLookedUpWhole ? find({p, size}) : std::nullopt) {
      edit(p, next, *whole);
      p = next;
    }
    while (p < next) {
      const char* const character = p;
      next_character(p);
      if (const auto one = find({character, size_t(p - character)})) edit(character, p, *one);
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
