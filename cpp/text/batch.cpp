#include "text/batch.h"

#include <algorithm>
#include <array>

#include "core/parallel.h"
#include "text/long_text.h"

namespace fastplm::text {

// What one of several threads takes at a time.
constexpr int64_t kMaxChunkBytes = 64 << 10, kMinChunkBytes = 4 << 10, kChunksPerThread = 4;

struct Range {
  int64_t begin, end;
};

// What a truncation to `keep` tokens leaves of n, then, with overflow, what it cuts off.
static void truncate(int64_t n, int64_t keep, const BatchOptions& options, std::vector<Range>& ranges) {
  ranges.clear();
  if (keep >= n) {
    ranges.push_back({0, n});
    return;
  }
  if (keep == 0) {
    ranges.push_back({0, 0});
    if (options.overflow) ranges.push_back({0, n});
    return;
  }
  const int64_t step = keep - options.stride;
  if (step <= 0) {
    fail(ErrorKind::kValue, "tokenizer: stride is ", options.stride, ", but truncation leaves only ", keep,
         " tokens; expected a smaller stride");
  }
  for (int64_t i = 0; ranges.empty() || options.overflow; i += step) {
    const Range range =
        options.truncate_left ? Range{std::max<int64_t>(n - i - keep, 0), n - i} : Range{i, std::min(i + keep, n)};
    ranges.push_back(range);
    if (options.truncate_left ? range.begin == 0 : range.end == n) break;
  }
}

static int64_t bytes_of(const Sequences& side, int64_t i) {
  int64_t bytes = 64;   // what a text costs, however short
  for (int64_t piece = side.begin[i]; piece < side.begin[i + 1]; ++piece) bytes += int64_t(side.pieces[piece].size());
  return bytes;
}

namespace {

// Encodes samples one after the other; keeps its memory from one to the next.
class Encoder {
 public:
  Encoder(const Tokenizer& tokenizer, const BatchOptions& options, bool pairs)
      : tokenizer_(tokenizer), post_processor_(tokenizer.post_processor()), options_(options), pairs_(pairs) {
    template_ = pairs ? &post_processor_.pair : &post_processor_.single;
    room_ = options.max_length - (options.add_special_tokens ? post_processor_.added(pairs) : 0);
    if (room_ < 0) options_.truncation = Truncation::kNone;   // as the reference does
    // One sequence that loses its end need not be read beyond what stays (and one more, to see that it does).
    const bool keeps_front = !pairs && !options.truncate_left && !options.overflow;
    if (options_.truncation != Truncation::kNone && keeps_front) limit_ = std::min(room_, INT64_MAX - 1) + 1;
    stays_whole_ = options_.truncation == Truncation::kNone && !options_.align;
  }

  void add(const Sequences& first, const Sequences* second, int64_t i, Batch& batch) {
    if (stays_whole_) return add_whole({&first, second}, i, batch);
    for (Tokens& tokens : tokens_) tokens.clear();
    tokenize(first, i, tokens_[0]);
    if (second) tokenize(*second, i, tokens_[1]);
    cut();
    choose_rows();
    for (const std::vector<int>& row : rows_) append(row, i, batch);
  }

 private:
  // Ids only, and all of them: they go straight to the batch.
  void add_whole(const std::array<const Sequences*, 2>& sides, int64_t i, Batch& batch) {
    for (const TemplatePiece& piece : *template_) {
      if (piece.sequence < 0) {
        append_special(piece, batch);
        continue;
      }
      const int64_t before = batch.ids.size();
      Tokens& tokens = tokens_[0];
      std::swap(tokens.ids, batch.ids);
      tokenize(*sides[size_t(piece.sequence)], i, tokens);
      std::swap(tokens.ids, batch.ids);
      batch.parts.push_back({int32_t(batch.ids.size() - before), piece.type_id, piece.sequence});
    }
    end_row(i, batch);
  }

  // Appends to `tokens`.
  void tokenize(const Sequences& side, int64_t i, Tokens& tokens) {
    const Tokenizer::Options options{
        .align = options_.align, .split_special_tokens = options_.split_special_tokens, .limit = limit_};
    // A long text's ids get room at once: growing moves them, and memory that is not written costs nothing.
    const int64_t bytes = bytes_of(side, i);
    if (bytes >= int64_t(kLongText)) tokens.ids.reserve(std::min(bytes, limit_));
    for (int64_t piece = side.begin[i]; piece < side.begin[i + 1]; ++piece) {
      const int64_t word = side.words ? piece - side.begin[i] : -1;
      tokenizer_.tokenize(side.pieces[piece], options, int32_t(word), tokens);
    }
  }

  // Decides which ranges of each sequence are used.
  void cut() {
    const int64_t n[2] = {tokens_[0].ids.size(), pairs_ ? tokens_[1].ids.size() : 0};
    int64_t keep[2] = {n[0], n[1]};
    const int64_t excess = n[0] + n[1] - room_;
    if (options_.truncation != Truncation::kNone && room_ == 0) {
      keep[0] = keep[1] = 0;
    } else if (options_.truncation == Truncation::kLongestFirst && excess > 0) {
      longest_first(keep);
    } else if (options_.truncation != Truncation::kNone && excess > 0) {
      const int side = options_.truncation == Truncation::kOnlySecond;
      const char* name = side ? "only_second" : "only_first";
      if (side && !pairs_)
        fail(ErrorKind::kValue, "tokenizer: truncation is only_second, but there is no second sequence");
      if (n[side] <= excess) {
        fail(ErrorKind::kValue, "tokenizer: truncation is ", name, ", but that sequence has ", n[side], " tokens and ",
             excess, " have to go; expected a larger max_length than ", options_.max_length);
      }
      keep[side] = n[side] - excess;
    }
    for (int side = 0; side < (pairs_ ? 2 : 1); ++side) truncate(n[side], keep[side], options_, ranges_[side]);
  }

  void longest_first(int64_t (&keep)[2]) const {
    if (!pairs_) {
      keep[0] = room_;
      return;
    }
    const int longer = keep[0] > keep[1] ? 0 : 1;
    int64_t& small = keep[1 - longer];
    int64_t& large = keep[longer];
    large = std::max(small, room_ - small);
    if (small + large > room_) {
      small = room_ / 2;
      large = small + room_ % 2;
    }
  }

  // Which range each piece of the template shows in each row: first the row itself, then the overflowing
  // ones in the reference's order, which comes from merging the pieces from left to right.
  void choose_rows() {
    rows_.assign(1, {});
    size_t sequences = 0;
    for (const TemplatePiece& piece : *template_) sequences += piece.sequence >= 0;
    if (ranges_[0].size() == 1 && (!pairs_ || ranges_[1].size() == 1)) {
      rows_[0].assign(sequences, 0);
      return;
    }
    for (const TemplatePiece& piece : *template_) {
      if (piece.sequence < 0) continue;
      const int count = int(ranges_[piece.sequence].size());
      std::vector<std::vector<int>> merged;
      const auto extend = [&](const std::vector<int>& row, int range) {
        merged.push_back(row);
        merged.back().push_back(range);
      };
      extend(rows_[0], 0);
      for (size_t row = 1; row < rows_.size(); ++row) {
        for (int range = 0; range < count; ++range) extend(rows_[row], range);
      }
      for (int range = 1; range < count; ++range) extend(rows_[0], range);
      rows_ = std::move(merged);
    }
  }

  void append(const std::vector<int>& row, int64_t sample, Batch& batch) {
    size_t next = 0;
    for (const TemplatePiece& piece : *template_) {
      if (piece.sequence < 0) {
        append_special(piece, batch);
        continue;
      }
      const int chosen = row[next++];
      const Range range = ranges_[piece.sequence][size_t(chosen)];
      const Tokens& tokens = tokens_[piece.sequence];
      for (const auto& [place, text] : tokens.written) {
        if (place >= range.begin && place < range.end)
          batch.written.emplace_back(batch.ids.size() + place - range.begin, text);
      }
      batch.ids.append(tokens.ids.data() + range.begin, range.end - range.begin);
      // The template's type is the main row's; the reference leaves overflowing pieces at their sequence's number.
      const bool typed = chosen == 0 || (post_processor_.types_overflow && options_.add_special_tokens);
      const int32_t type_id = typed ? piece.type_id : piece.sequence;
      batch.parts.push_back({int32_t(range.end - range.begin), type_id, piece.sequence});
      if (options_.align) {
        batch.spans.insert(batch.spans.end(), tokens.spans.begin() + range.begin, tokens.spans.begin() + range.end);
        if (!post_processor_.trims.empty()) {
          Span* const spans = batch.spans.data() + batch.spans.size() - (range.end - range.begin);
          for (int64_t i = range.begin; i < range.end; ++i) {
            Span& span = spans[i - range.begin];
            span = post_processor_.trimmed(span, tokens.spaces[i], i == range.begin);
          }
        }
        batch.words.insert(batch.words.end(), tokens.words.begin() + range.begin, tokens.words.begin() + range.end);
      }
    }
    end_row(sample, batch);
  }

  void append_special(const TemplatePiece& piece, Batch& batch) const {
    if (!options_.add_special_tokens) return;
    const auto count = int64_t(piece.ids.size());
    if (options_.align) {
      for (size_t j = 0; j < piece.tokens.size(); ++j)
        batch.written.emplace_back(batch.ids.size() + int64_t(j), piece.tokens[j]);
      batch.spans.insert(batch.spans.end(), size_t(count), Span{});
      batch.words.insert(batch.words.end(), size_t(count), -1);
    }
    batch.ids.append(piece.ids.data(), count);
    batch.parts.push_back({int32_t(count), piece.type_id, -1});
  }

  static void end_row(int64_t sample, Batch& batch) {
    batch.row_begin.push_back(batch.ids.size());
    batch.part_begin.push_back(int64_t(batch.parts.size()));
    batch.sample.push_back(int32_t(sample));
  }

  const Tokenizer& tokenizer_;
  const PostProcessor& post_processor_;
  BatchOptions options_;
  const bool pairs_;
  const std::vector<TemplatePiece>* template_;
  int64_t room_;   // for the sequences in a row
  int64_t limit_ = INT64_MAX;
  bool stays_whole_;
  Tokens tokens_[2];
  std::vector<Range> ranges_[2];
  std::vector<std::vector<int>> rows_;
};

}  // namespace

template <class T>
static void concatenate(std::vector<T>& to, const std::vector<T>& from, T shift = T{}, size_t skip = 0) {
  if constexpr (std::is_integral_v<T>) {
    for (size_t i = skip; i < from.size(); ++i) to.push_back(from[i] + shift);
  } else {
    to.insert(to.end(), from.begin() + int64_t(skip), from.end());
  }
}

static Batch join(std::vector<Batch>& chunks) {
  if (chunks.size() == 1) return std::move(chunks[0]);
  Batch all;
  int64_t tokens = 0, rows = 0;
  for (const Batch& chunk : chunks) {
    tokens += chunk.ids.size();
    rows += chunk.rows();
  }
  all.ids.reserve(tokens);
  all.row_begin.reserve(size_t(rows + 1));
  all.sample.reserve(size_t(rows));
  for (const Batch& chunk : chunks) {
    concatenate(all.row_begin, chunk.row_begin, all.ids.size(), 1);
    concatenate(all.part_begin, chunk.part_begin, int64_t(all.parts.size()), 1);
    concatenate(all.parts, chunk.parts);
    concatenate(all.sample, chunk.sample);
    concatenate(all.spans, chunk.spans);
    concatenate(all.words, chunk.words);
    for (const auto& [place, text] : chunk.written) all.written.emplace_back(all.ids.size() + place, text);
    all.ids.append(chunk.ids.data(), chunk.ids.size());
  }
  return all;
}

// Asks the memory for the beginning of a text that comes soon: texts lie apart, and none of them leads to the next.
static void fetch(std::string_view text) {
  constexpr size_t kLine = 64, kBytes = 16 * kLine;
  for (size_t i = 0; i < std::min(text.size(), kBytes); i += kLine) __builtin_prefetch(text.data() + i);
}

Batch encode(const Tokenizer& tokenizer, const Sequences& first, const Sequences* second, const BatchOptions& options) {
  const int64_t count = first.size();
  if (second && second->size() != count) {
    fail(ErrorKind::kValue, "tokenizer: ", count, " texts and ", second->size(), " second texts; expected as many");
  }
  if (options.stride < 0) fail(ErrorKind::kValue, "tokenizer: stride is ", options.stride, "; expected 0 or more");
  const int64_t special = options.add_special_tokens ? tokenizer.post_processor().added(false) : 0;
  const int64_t room = options.max_length - special;
  if (options.truncation != Truncation::kNone && room >= 0 && options.stride > room) {
    fail(ErrorKind::kValue, "tokenizer: stride is ", options.stride, "; expected less than the ", room,
         " tokens that max_length ", options.max_length, " leaves beside the special ones");
  }

  // Chunks of about equal size, in order; a long text is one of its own.
  const bool cuts = tokenizer.cuts_long_texts() && !options.align && options.truncation == Truncation::kNone;
  const auto bytes_at = [&](int64_t i) { return bytes_of(first, i) + (second ? bytes_of(*second, i) : 0); };
  int64_t chunk_bytes = INT64_MAX;
  if (num_threads() > 1) {
    int64_t all = 0;
    for (int64_t i = 0; i < count; ++i) all += bytes_at(i);
    chunk_bytes = std::clamp(all / (num_threads() * kChunksPerThread), kMinChunkBytes, kMaxChunkBytes);
  }
  std::vector<int64_t> chunk_begin{0};
  std::vector<bool> is_long;
  int64_t bytes = 0;
  const auto end_chunk = [&](int64_t end, bool with_long) {
    if (chunk_begin.back() == end) return;
    chunk_begin.push_back(end);
    is_long.push_back(with_long);
    bytes = 0;
  };
  for (int64_t i = 0; i < count; ++i) {
    const int64_t more = bytes_at(i);
    const bool with_long = cuts && more >= int64_t(kLongText);
    if (with_long) end_chunk(i, false);
    bytes += more;
    if (with_long || bytes >= chunk_bytes || i + 1 == count) end_chunk(i + 1, with_long);
  }
  const auto chunks = int64_t(is_long.size());
  std::vector<Batch> results(size_t(std::max<int64_t>(chunks, 1)));
  const auto run = [&](int64_t chunk) {
    Encoder encoder(tokenizer, options, second != nullptr);
    const int64_t end = chunk_begin[chunk + 1];
    for (int64_t i = chunk_begin[chunk]; i < end; ++i) {
      if (i + 1 < end && first.begin[i + 1] < first.begin[i + 2]) fetch(first.pieces[first.begin[i + 1]]);
      encoder.add(first, second, i, results[chunk]);
    }
  };
  // Threads work on different chunks, or all of them on one long text if there are few.
  const bool few = std::ranges::count(is_long, true) < num_threads();
  parallel_for(chunks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      if (!few || !is_long[chunk]) run(chunk);
    }
  });
  for (int64_t chunk = 0; few && chunk < chunks; ++chunk) {
    if (is_long[chunk]) run(chunk);
  }
  return join(results);
}

}  // namespace fastplm::text
