// Extended grapheme clusters (UAX #29): what a reader takes for one character. The properties are those of the
// reference tokenizers (scripts/make_grapheme_tables.py).
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace fastplm::text {

// The property Grapheme_Cluster_Break; kExtend is parted by Indic_Conjunct_Break.
enum class Break : uint8_t {
  kOther,
  kCr,
  kLf,
  kControl,
  kExtend,
  kConjunctExtend,
  kLinker,
  kZwj,
  kSpacingMark,
  kPrepend,
  kRegionalIndicator,
  kPictographic,
  kConsonant,
  kL,
  kV,
  kT,
  kLV,
  kLVT,
};

class Graphemes {
 public:
  static const Graphemes& get();   // built at the first call

  Break property(char32_t c) const { return blocks_[size_t(block_of_[c >> 8]) << 8 | (c & 255)]; }

  // Whether there is a boundary between any two such characters, whatever surrounds them.
  static bool is_separate(Break property) {
    return property == Break::kOther || property == Break::kControl || property == Break::kPictographic ||
           property == Break::kConsonant || property == Break::kLV || property == Break::kLVT;
  }

  // Where the cluster that begins at p ends; p < end, where the text ends.
  const char* end_of_cluster(const char* p, const char* end) const;

 private:
  Graphemes();
  std::array<uint8_t, 0x1100> block_of_;
  std::vector<Break> blocks_;
};

}  // namespace fastplm::text
