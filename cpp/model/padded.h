// Between transformers' padded [batch, length] arrays and the packed tokens the engine works on.
#pragma once
#include <vector>

#include "core/export.h"
#include "model/model.h"

namespace fastplm {

struct PaddedInput {
  int64_t batch = 0, length = 0;           // of the tokens that are new
  const int32_t* ids = nullptr;            // [batch, length], or null, and then
  const float* embeds = nullptr;           // [batch, length, width]
  // Of all columns, those of the cache's tokens first:
  const uint8_t* mask = nullptr;           // [batch, columns], 0: not a token; or null
  const uint8_t* pair_mask = nullptr;  // [batch, length, columns], 0: the row does not attend to the column; or null
  int64_t remembered = 0;                  // columns of hidden states before the tokens', without a cache: all there
  const uint8_t* backward = nullptr;       // [batch], see Batch; or null
  // [batch, targets] columns of new tokens that are to be predicted, of each row all different; or null. They see what
  // target_mask [batch, targets, columns] says, or, if it is null, all that there is. Then `gather` counts targets.
  const int32_t* target_columns = nullptr;
  const uint8_t* target_mask = nullptr;
  int64_t targets = 0;
  const int32_t* position_ids = nullptr;  // [batch, length], or null
  const int32_t* segment_ids = nullptr;  // [batch, length], or null
  const int32_t* language_ids = nullptr;  // [batch, length], or null
  const int32_t* gather = nullptr;  // [batch] columns of new tokens, or null
};

// The head's results of each row whose first position the mask hides. transformers pools what becomes of the padding
// there, so the whole row goes through the encoder, with the hidden positions seen by nobody. out: one for each head,
// [batch, width] of those per sequence; other rows stay as they are.
FASTPLM_EXPORT void pool_hidden(const Model& model, const PaddedInput& input, const std::vector<TensorView>& out);

// Drops what the mask hides. Every token that stays keeps the position it had in its padded row.
class FASTPLM_EXPORT Packing {
 public:
  // cache: extended for the new tokens; or null. Throws kValue for a cache of other rows or a mask that shows what was
  // hidden when it was cached.
  Packing(const PaddedInput& input, const StackSpec& spec, Cache* cache = nullptr);

  const Batch& batch() const { return batch_; }
  const std::vector<std::vector<int32_t>>& key_columns() const { return key_columns_; }  // of each row
  std::vector<int64_t> past() const { return past_; }  // columns before, for each row; empty without a cache

  // [all targets, width] to [batch, targets, width], in the caller's order.
  void unpack_targets(const float* packed, int64_t width, float* padded) const;

  // [tokens, width] to [batch, length, width]; what was dropped becomes zero.
  void unpack_rows(const float* packed, int64_t width, float* padded) const;

  // Each sequence's [heads, queries, keys] to [batch, heads, length, columns]; zeros likewise. encoder: the keys are
  // the tokens of that packing.
  void unpack_attention(const float* packed, int64_t heads, float* padded, const Packing* encoder = nullptr) const;
  int64_t attention_size(int64_t heads, const Packing* encoder = nullptr) const;  // values of the packed form

 private:
  int64_t length_, columns_;
  std::vector<int32_t> start_, column_, ids_, segment_ids_, language_ids_, position_ids_, index_, gather_;
  std::vector<std::vector<int32_t>> key_columns_;
  std::vector<int64_t> past_;
  std::vector<float> embeds_;
  std::vector<uint8_t> mask_, hidden_, backward_, target_mask_;
  int64_t targets_ = 0;
  std::vector<int32_t> key_segments_, target_starts_, target_at_, target_segments_, target_order_;
  Batch batch_;

  void add_targets(const PaddedInput& in, size_t longest);
};

}  // namespace fastplm
