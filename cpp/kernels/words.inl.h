// Which words are tokens. Contract: WordsArgs in args.h.
static void find_words(const WordsArgs& a) noexcept {
  const TokenLine* lines[kMostWords];
  for (int i = 0; i < a.count; ++i) {
    const uint32_t begin = i ? a.ends[i - 1] : 0, size = a.ends[i] - begin;
    a.keys[i] = load_word(a.text + begin, size < 15 ? size : 15, a.end);
    lines[i] = a.lines + line_of(a.keys[i], a.line_count);
    __builtin_prefetch(lines[i]);
  }
  for (int i = 0; i < a.count; ++i) a.ids[i] = find_token(*lines[i], a.keys[i]);
}
