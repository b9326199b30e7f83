#include "text/stages/normal_form.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "text/stages/transform.h"
#include "text/unicode/character_bits.h"

namespace fastplm::text {

namespace {

// The next stretch that normalizing may change: a character and all those behind it that may join the one before.
struct Stretch {
  size_t begin, end;
};

// A character of a stretch. `count`: how many old ones it stands for; all but the first of a decomposition are
// inserted ones and stand for none.
struct Item {
  char32_t c;
  int32_t order;   // combining class
  int32_t count;
};

}  // namespace

template <Form form>
static const CharacterBits& stable() {
  static const CharacterBits bits([](char32_t c) { return Unicode::get().is_stable(c, form); });
  return bits;
}

static const CharacterBits& stable(Form form) {
  switch (form) {
    case Form::kNfc: return stable<Form::kNfc>();
    case Form::kNfd: return stable<Form::kNfd>();
    case Form::kNfkc: return stable<Form::kNfkc>();
    case Form::kNfkd: return stable<Form::kNfkd>();
  }
  __builtin_unreachable();
}

static Stretch next_stretch(std::string_view text, size_t from, Form form) {
  const Unicode& unicode = Unicode::get();
  const CharacterBits& bits = stable(form);
  const char* const base = text.data();
  const char* const end = base + text.size();
  for (const char* p = base + from; (p = bits.skip(p, end)) < end;) {
    const char* begin = p;
    const char32_t c = next_character(p);
    if (unicode.is_stable(c, form)) continue;   // beyond the bits
    if (unicode.may_join(c) && begin > base + from) {
      do --begin;
      while (is_continuation(*begin));
    }
    for (const char* next = p; p < end; p = next) {
      if (!unicode.may_join(next_character(next))) break;
    }
    return {size_t(begin - base), size_t(p - base)};
  }
  return {text.size(), text.size()};
}

bool is_in_normal_form(std::string_view text, Form form) { return next_stretch(text, 0, form).begin == text.size(); }

// By class; equals keep their order. Linear, however many there are.
static void sort_by_class(std::vector<Item>& items, size_t from) {
  const auto begin = items.begin() + int64_t(from);
  if (std::is_sorted(begin, items.end(), [](const Item& a, const Item& b) { return a.order < b.order; })) return;
  if (items.size() - from <= 32) {
    std::stable_sort(begin, items.end(), [](const Item& a, const Item& b) { return a.order < b.order; });
    return;
  }
  std::array<size_t, 257> places{};   // of each class, where its next item goes
  std::for_each(begin, items.end(), [&](const Item& item) { ++places[size_t(item.order) + 1]; });
  std::partial_sum(places.begin(), places.end(), places.begin());
  const std::vector<Item> unsorted(begin, items.end());
  for (const Item& item : unsorted) items[from + places[size_t(item.order)]++] = item;
}

// Decomposes, and sorts the characters between starters by their class.
static void decompose(std::string_view text, bool compatible, std::vector<Item>& items) {
  const Unicode& unicode = Unicode::get();
  items.clear();
  items.reserve(text.size() / 2);   // what may be reordered has at least two bytes
  size_t run = 0;   // where the present run of characters that may be reordered begins
  const auto sort_run = [&] {
    if (items.size() - run > 1) sort_by_class(items, run);
  };
  const auto add = [&](const auto& parts) {
    int32_t count = 1;
    for (char32_t c : parts) {
      const int32_t order = unicode.combining_class(c);
      if (order == 0) sort_run();
      items.push_back({c, order, count});
      if (order == 0) run = items.size();
      count = 0;
    }
  };
  for (const char *p = text.data(), *end = p + text.size(); p < end;) {
    const char32_t c = next_character(p);
    if (compatible) {
      add(unicode.decompose_compatible(c));
    } else {
      add(unicode.decompose(c));
    }
  }
  sort_run();
}

// Joins characters with the starter in front of them.
static void compose(std::vector<Item>& items) {
  const Unicode& unicode = Unicode::get();
  size_t kept = 0;
  Item* starter = nullptr;
  int last = -1;   // the class of the last character kept behind the starter
  for (size_t i = 0; i < items.size(); ++i) {
    const Item item = items[i];
    if (starter && last < item.order) {
      if (const char32_t composed = unicode.compose(starter->c, item.c)) {
        starter->c = composed;
        starter->count += item.count;
        continue;
      }
    }
    items[kept] = item;
    if (item.order == 0) {
      starter = &items[kept];
      last = -1;
    } else {
      last = item.order;
    }
    ++kept;
  }
  items.resize(kept);
}

void to_normal_form(Text& text, Form form) {
  Stretch stretch = next_stretch(text.bytes, 0, form);
  if (stretch.begin == text.bytes.size()) return;
  const bool composes = form == Form::kNfc || form == Form::kNfkc;
  const bool compatible = form == Form::kNfkc || form == Form::kNfkd;
  Transform transform(text);
  const std::string_view old = transform.old();
  std::vector<Item> items;
  for (size_t done = 0; done < old.size();) {
    transform.keep(stretch.begin - done);
    if (stretch.begin == old.size()) break;
    decompose(old.substr(stretch.begin, stretch.end - stretch.begin), compatible, items);
    if (composes) compose(items);
    for (const Item& item : items) transform.put(item.c, item.count);
    done = stretch.end;
    stretch = next_stretch(old, done, form);
  }
}

}  // namespace fastplm::text
