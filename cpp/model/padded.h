// Between transformers' padded [batch, length] arrays and the packed tokens the engine works on.
#pragma once
#include <vector>

#include "core/export.h"
#include "model/batch.h"
#include "model/model.h"
#include "model/spec.h"

namespace fastplm {

struct PaddedInput {
  int64_t batch = 0, length = 0;
  const int32_t* ids = nullptr;            // [batch, length], or null, and then
  const float* embeds = nullptr;           // [batch, length, width]
  const uint8_t* mask = nullptr;           // [batch, length], 0: not a token; or null
  const uint8_t* pair_mask = nullptr;  // [batch, length, length], 0: the row does not attend to the column; or null
  const int32_t* position_ids = nullptr;  // [batch, length], or null
  const int32_t* segment_ids = nullptr;  // [batch, length], or null
};

// The pooler of each row whose first position the mask hides. transformers pools what becomes of the padding there, so
// the whole row goes through the model, with the hidden positions seen by nobody. pooler: [batch, width], other rows
// stay as they are.
FASTPLM_EXPORT void pool_hidden(const Model& model, const PaddedInput& input, float* pooler);

// Drops what the mask hides. Every token that stays keeps the position it had in its padded row.
class FASTPLM_EXPORT Packing {
 public:
  Packing(const PaddedInput& input, const Spec& spec);

  const Batch& batch() const { return batch_; }

  // [tokens, width] to [batch, length, width]; what was dropped becomes zero.
  void unpack_rows(const float* packed, int64_t width, float* padded) const;

  // Each sequence's [heads, length, length] to [batch, heads, length, length]; zeros likewise.
  void unpack_attention(const float* packed, int64_t heads, float* padded) const;
  int64_t attention_size(int64_t heads) const;  // values of the packed form

 private:
  int64_t length_;
  std::vector<int32_t> start_, column_, ids_, segment_ids_, position_ids_;
  std::vector<float> embeds_;
  std::vector<uint8_t> mask_;
  Batch batch_;
};

}  // namespace fastplm
