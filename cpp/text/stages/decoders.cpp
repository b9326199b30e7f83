// The "decoder" section of tokenizer.json.
#include <algorithm>
#include <utility>

#include "text/base/stage.h"
#include "text/base/utf8.h"
#include "text/stages/byte_level.h"
#include "text/stages/replacement.h"
#include "text/stages/sentencepiece_decoder.h"

namespace fastplm::text {

constexpr const char* kReplacementCharacter = "\xef\xbf\xbd";   // U+FFFD

// An empty `from` is found in front of every character and at the end, as in Rust.
static void replace_all(std::string& text, std::string_view from, std::string_view to) {
  if (!from.empty()) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
    return;
  }
  std::string result;
  for (char byte : text) {
    if (!is_continuation(byte)) result += to;
    result += byte;
  }
  text = result.append(to);
}

// The reference's fixed list; "do not" is its own addition to that of transformers.
static void clean_up(std::string& token) {
  static constexpr std::pair<const char*, const char*> kRules[] = {
      {" .", "."},   {" ?", "?"},           {" !", "!"},   {" ,", ","},     {" ' ", "'"},    {" n't", "n't"},
      {" 'm", "'m"}, {" do not", " don't"}, {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) replace_all(token, from, to);
}

static void join(std::vector<std::string>& tokens) {
  std::string all;
  for (const std::string& token : tokens) all += token;
  tokens.assign(1, std::move(all));
}

class WordPieceDecoder final : public Decoder {
 public:
  explicit WordPieceDecoder(const Value& s) : prefix_(s.s("prefix")), cleanup_(s.b("cleanup")) {}

  void run(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string& token = tokens[i];
      if (i > 0) {
        if (token.starts_with(prefix_)) {
          token.erase(0, prefix_.size());
        } else {
          token.insert(0, 1, ' ');
        }
      }
      if (cleanup_) clean_up(token);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

// Tokens written in the byte-level alphabet become bytes; another token stands for itself.
struct ByteLevelDecoder final : Decoder {
  explicit ByteLevelDecoder(const Value& s) {
    s.b("add_prefix_space");   // of no effect here, but the reference does not do without them
    s.b("trim_offsets");
  }
  void run(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      std::string bytes;
      for (const char *p = token.data(), *end = p + token.size(); p < end;) {
        const int byte = byte_level::byte_of(next_character(p));
        if (byte < 0) {
          bytes = token;
          break;
        }
        bytes += char(byte);
      }
      token = std::move(bytes);
    }
    join(tokens);
    tokens[0] = to_utf8(tokens[0]);
  }
};

class MetaspaceDecoder final : public Decoder {
 public:
  explicit MetaspaceDecoder(const Value& s) : replacement_(s.s("replacement")) {
    const std::string scheme = s.s("prepend_scheme", "always");
    if (count_characters(replacement_) != 1) {
      fail(ErrorKind::kFile, "tokenizer.json: decoder Metaspace: replacement is \"", replacement_,
           "\"; expected one character");
    }
    if (scheme != "always" && scheme != "first" && scheme != "never") {
      fail(ErrorKind::kFile, "tokenizer.json: decoder Metaspace: prepend_scheme is \"", scheme,
           "\"; expected always, first or never");
    }
    if (scheme != "never" && !s.b("add_prefix_space", true)) {
      fail(ErrorKind::kFile, "tokenizer.json: decoder Metaspace: add_prefix_space is false, prepend_scheme \"", scheme,
           "\"; expected never");
    }
    prepended_ = scheme != "never";
  }

  // The first token loses all of its spaces, wherever they are.
  void run(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], replacement_, i == 0 && prepended_ ? "" : " ");
  }

 private:
  std::string replacement_;
  bool prepended_;
};

struct BpeDecoder final : Decoder {
  explicit BpeDecoder(const Value& s) : suffix(s.s("suffix")) {}
  void run(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) replace_all(tokens[i], suffix, i + 1 < tokens.size() ? " " : "");
  }
  const std::string suffix;
};

// Runs of tokens like <0xE5> become the characters that their bytes make, or as many replacement characters.
class ByteFallback final : public Decoder {
 public:
  explicit ByteFallback(const Value&) {}

  void run(std::vector<std::string>& tokens) const override {
    std::vector<std::string> result;
    std::string bytes;
    const auto flush = [&] {
      if (bytes.empty()) return;
      if (is_utf8(bytes)) {
        result.push_back(bytes);
      } else {
        result.insert(result.end(), bytes.size(), kReplacementCharacter);
      }
      bytes.clear();
    };
    for (std::string& token : tokens) {
      const int byte = byte_of(token);
      if (byte >= 0) {
        bytes += char(byte);
        continue;
      }
      flush();
      result.push_back(std::move(token));
    }
    flush();
    tokens = std::move(result);
  }

 private:
  // The reference's number parser takes a sign for the first digit.
  static int byte_of(std::string_view token) {
    if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return -1;
    const int high = token[3] == '+' ? 0 : digit(token[3]), low = digit(token[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }
  static int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  }
};

struct Fuse final : Decoder {
  explicit Fuse(const Value&) {}
  void run(std::vector<std::string>& tokens) const override { join(tokens); }
};

// Up to `start` times `content` at the front of a token, up to `stop` times at its end.
class StripDecoder final : public Decoder {
 public:
  explicit StripDecoder(const Value& s)
      : content_(s.s("content")), start_(s.i_in("start", 0, INT64_MAX)), stop_(s.i_in("stop", 0, INT64_MAX)) {
    if (count_characters(content_) != 1) {
      fail(ErrorKind::kFile, "tokenizer.json: decoder Strip: content is \"", content_, "\"; expected one character");
    }
  }

  void run(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (int64_t i = 0; i < start_ && rest.starts_with(content_); ++i) rest.remove_prefix(content_.size());
      for (int64_t i = 0; i < stop_ && rest.ends_with(content_); ++i) rest.remove_suffix(content_.size());
      token = std::string(rest);
    }
  }

 private:
  std::string content_;
  int64_t start_, stop_;
};

struct ReplaceDecoder final : Decoder {
  explicit ReplaceDecoder(const Value& s) : replacement(s, "decoder") {}
  void run(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) token = replacement.apply(token);
  }
  const Replacement replacement;
};

// Connectionist temporal classification: one token of each run of equal ones, without the padding.
class CtcDecoder final : public Decoder {
 public:
  explicit CtcDecoder(const Value& s)
      : pad_(s.s("pad_token")), delimiter_(s.s("word_delimiter_token")), cleanup_(s.b("cleanup")) {}

  void run(std::vector<std::string>& tokens) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    for (std::string& token : tokens) {
      replace_all(token, pad_, "");
      if (!cleanup_) continue;
      clean_up(token);
      replace_all(token, delimiter_, " ");
    }
    std::erase(tokens, "");
  }

 private:
  std::string pad_, delimiter_;
  bool cleanup_;
};

struct DecoderSequence final : Decoder {
  explicit DecoderSequence(const Value& s) {
    for (const Value& entry : s.at("decoders").array("decoders")) parts.push_back(make_decoder(entry));
  }
  void run(std::vector<std::string>& tokens) const override {
    for (const auto& part : parts) part->run(tokens);
  }
  std::vector<std::unique_ptr<Decoder>> parts;
};

template <class T>
static std::unique_ptr<Decoder> make(const Value& settings) {
  return std::make_unique<T>(settings);
}

struct {
  const char* type;
  std::unique_ptr<Decoder> (*make)(const Value&);
} constexpr kDecoders[] = {
    {"BPEDecoder", make<BpeDecoder>},
    {"ByteFallback", make<ByteFallback>},
    {"ByteLevel", make<ByteLevelDecoder>},
    {"CTC", make<CtcDecoder>},
    {"Fuse", make<Fuse>},
    {"Metaspace", make<MetaspaceDecoder>},
    {"Replace", make<ReplaceDecoder>},
    {"SentencePiece", make<SentencePieceDecoder>},
    {"Sequence", make<DecoderSequence>},
    {"Strip", make<StripDecoder>},
    {"WordPiece", make<WordPieceDecoder>},
};

std::unique_ptr<Decoder> make_decoder(const Value& settings) {
  return find_row(kDecoders, settings, "decoder").make(settings);
}

}  // namespace fastplm::text
