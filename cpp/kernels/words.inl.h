// Which words are tokens. Contract: WordsArgs in args.h.
static uint64_t find_words(const WordsArgs& a) noexcept {
  const TokenLine* lines[kMaxWords];
  const auto room_behind = [&](int i) { return a.end - (a.text + a.bounds[i]); };
  int i = 0;
  for (; i + kWordGroup <= a.count && room_behind(i + kWordGroup - 1) >= int(sizeof(WordKey)); i += kWordGroup) {
    load_words(a.text, a.bounds + i, a.keys + i);
    find_lines(a.keys + i, a.lines, a.line_count, lines + i);
    for (int j = 0; j < kWordGroup; ++j) __builtin_prefetch(lines[i + j]);
  }
  for (; i < a.count; ++i) {   // near the end of what may be read
    load_last_word(a.text, a.bounds + i, a.keys + i);
    lines[i] = a.lines + line_of(a.keys[i], a.line_count);
    __builtin_prefetch(lines[i]);
  }
  uint64_t known = 0;
  for (i = 0; i < a.count; ++i) {
    const uint32_t offset = id_offset(*lines[i], a.keys[i]);
    uint32_t id;
    __builtin_memcpy(&id, (const char*)lines[i] + offset, sizeof(id));  // without a branch: of no token it is not used
    a.ids[i] = int32_t(id & ((1u << kTokenIdBits) - 1));
    known |= uint64_t(offset != 0) << i;
  }
  return ~known & (~uint64_t(0) >> (kMaxWords - a.count));
}
