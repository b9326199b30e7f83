// What 64 bytes of text are. Contract: AsciiClasses in args.h.
static void ascii(const char* text, AsciiClasses& classes) noexcept {
  AsciiClasses all{};
  for (int i = 0; i < 64; i += Bytes::kCount) {
    const Bytes bytes = load_bytes(text + i);
    all.space |= between(bytes, ' ', ' ') << i;
    all.white |= between(bytes, '\t', '\r') << i;
    all.line_break |= (between(bytes, '\n', '\n') | between(bytes, '\r', '\r')) << i;
    all.letter |= between(bytes | char(0x20), 'a', 'z') << i;
    all.lower |= between(bytes, 'a', 'z') << i;
    all.digit |= between(bytes, '0', '9') << i;
    all.sign |= between(bytes, '!', '~') << i;
    all.apostrophe |= between(bytes, '\'', '\'') << i;
    all.beyond |= not_ascii(bytes) << i;
  }
  all.sign &= ~(all.letter | all.digit);
  classes = all;
}
