// A tokenizer: the pipeline from text to token ids and back, as tokenizer.json describes it.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include "text/added_tokens.h"
#include "text/base/ids.h"
#include "text/base/stage.h"

namespace fastplm::text {

class BertScanner;
class SpaceBpe;

// By place, in order: tokens that are in the text what the vocabulary does not call them, and that text.
using Written = std::vector<std::pair<int64_t, std::string>>;

// The tokens of one sequence.
struct Tokens {
  Ids ids;
  std::vector<Span> spans;      // with alignment: the characters of the sequence (or of its word) per token,
  std::vector<int32_t> words;   // and the number of its word
  std::vector<PostProcessor::Spaces> spaces;   // per token too, if the post-processor trims spans
  Written written;              // with alignment

  void clear() {
    ids.resize(0);
    spans.clear();
    words.clear();
    spaces.clear();
    written.clear();
  }
};

class FASTPLM_EXPORT Tokenizer {
 public:
  // `settings` holds the sections of tokenizer.json except the vocabulary: normalizer, pre_tokenizer, model,
  // post_processor, decoder, added_tokens; each may be null but model. Throws Error(kFile, kUnsupported).
  Tokenizer(const Value& settings, Vocabulary vocabulary);
  // The same with the added_tokens and the post_processor of `settings`; everything else is shared.
  Tokenizer(const Tokenizer& other, const Value& settings);
  ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  struct Options {
    bool align = false;                  // fill spans and words
    bool split_special_tokens = false;   // special tokens in the text are ordinary text
    int64_t limit = INT64_MAX;           // may stop once there are this many tokens (never before)
  };

  // Appends the tokens of one text (or of one word, as word `word` if that is not negative).
  void tokenize(std::string_view text, const Options& options, int32_t word, Tokens& tokens) const;

  // Whether the ids of one long text are made on many threads.
  bool cuts_long_texts() const;

  const PostProcessor& post_processor() const { return post_processor_; }
  const AddedTokens& added_tokens() const { return *added_; }
  const Vocabulary& vocabulary() const;

  int32_t id_of(std::string_view token) const;             // -1: unknown
  bool find(int32_t id, std::string_view* token) const;    // false: no token has this id

  // The text of `ids`; ids that no token has are left out.
  std::string decode(const int32_t* ids, int64_t count, bool skip_special_tokens) const;
  std::string decode(std::vector<std::string> tokens) const;

 private:
  struct Cursor;
  // The ids of a part of the text without raw added tokens, in one pass; false: the stages must do it. `begins`: it is
  // the first part.
  bool run_fused(std::string_view text, bool begins, const Options& options, Ids& ids) const;
  void run_stages(std::string_view text, const Options& options, Cursor& cursor) const;
  bool is_named(const TemplatePiece& piece) const;   // its tokens are what the ids are called

  struct Parts;
  void finish(const Value& settings);   // what follows from parts_ and added_

  std::shared_ptr<const Parts> parts_;
  std::unique_ptr<AddedTokens> added_;
  PostProcessor post_processor_;
  // In place of the stages, where they are the ones that it replaces; of parts_, or null.
  const BertScanner* scanner_;
  const SpaceBpe* space_bpe_;
};

}  // namespace fastplm::text
