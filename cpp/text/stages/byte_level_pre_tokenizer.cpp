#include "text/stages/byte_level_pre_tokenizer.h"

#include "text/stages/byte_level.h"
#include "text/stages/piece_writer.h"
#include "text/stages/sequence.h"
#include "text/stages/split.h"

namespace fastplm::text {

ByteLevelPreTokenizer::ByteLevelPreTokenizer(const Value& settings)
    : add_prefix_space_(settings.b("add_prefix_space")), use_regex_(settings.b("use_regex", true)) {
  settings.b("trim_offsets");   // for the post-processor of that name; required here too
}

namespace {

struct Written {
  char bytes[2];
  uint8_t size;
};

constexpr std::array<Written, 256> kWritten = [] {
  std::array<Written, 256> all{};
  for (size_t byte = 0; byte < 256; ++byte) {
    const char32_t c = byte_level::kCharacters[byte];
    if (c < 0x80) {
      all[byte] = {{char(c), 0}, 1};
    } else {
      all[byte] = {{char(0xc0 | c >> 6), char(0x80 | (c & 63))}, 2};
    }
  }
  return all;
}();

}  // namespace

void ByteLevelPreTokenizer::run(Text& text, std::vector<Piece>& pieces) const {
  if (add_prefix_space_) {
    PieceWriter spaced(text, pieces);
    spaced.run([&](const Piece& piece) {
      if (text.bytes[piece.begin] != ' ') spaced.put(" ", piece.begin);
      for (uint32_t i = piece.begin; i < piece.end; ++i) spaced.put({&text.bytes[i], 1}, i);
    });
  }
  if (use_regex_) ScannerSplit(gpt2_scanner()).run(text, pieces);
  PieceWriter writer(text, pieces);
  writer.run([&](const Piece& piece) {
    for (uint32_t i = piece.begin; i < piece.end; ++i) {
      const Written& written = kWritten[uint8_t(text.bytes[i])];
      writer.put({written.bytes, written.size}, i);
    }
  });
}

bool find_byte_level_plan(const PreTokenizer& pre_tokenizer, ByteLevelPlan* plan) {
  const PreTokenizer* last = &pre_tokenizer;
  const Scanner* scanner = nullptr;
  if (const auto* sequence = dynamic_cast<const SequencePreTokenizer*>(last)) {
    const auto& steps = sequence->steps();
    if (steps.empty() || steps.size() > 2) return false;
    last = steps.back().get();
    if (steps.size() == 2) {
      const auto* first = dynamic_cast<const ScannerSplit*>(steps[0].get());
      if (!first) return false;
      scanner = &first->scanner();
    }
  }
  const auto* byte_level = dynamic_cast<const ByteLevelPreTokenizer*>(last);
  if (!byte_level) return false;
  // Behind a Split, a prefix or a second pattern would apply to each of its pieces.
  if (scanner && (byte_level->add_prefix_space() || byte_level->use_regex())) return false;
  *plan = {byte_level->use_regex() ? &gpt2_scanner() : scanner, byte_level->add_prefix_space()};
  return true;
}

}  // namespace fastplm::text
