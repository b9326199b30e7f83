// Cosines and sines of rotary positions.
#pragma once
#include <map>
#include <memory>
#include <mutex>

#include "core/buffer.h"
#include "model/batch.h"
#include "model/spec.h"

namespace fastplm {

// Of a Rope, for as many positions as were asked for so far.
class RopeTable {
 public:
  explicit RopeTable(Rope rope) : rope_(std::move(rope)) {}
  const Rope& rope() const { return rope_; }

  struct View {
    std::shared_ptr<const Buffer> memory;
    TensorView table;   // [positions, 2 frequencies]
  };
  View of(int64_t positions) const;   // at least so many

 private:
  Rope rope_;
  mutable std::mutex lock_;
  mutable View view_;
};

// Rotary positions of one batch: what ops::rope needs, made when a layer first asks for it.
class BatchRopes {
 public:
  // position_ids: [tokens] i32, behind those that are in a cache. lengths: [sequences] positions that frequencies are
  // chosen by, where the batch's own reach less far; or null.
  BatchRopes(const Batch& batch, TensorView position_ids, const int64_t* lengths);

  struct View {
    TensorView table, rows;   // [.., 2 frequencies] f32; [tokens] i32: each token's row of it
  };
  View of(const RopeTable& table);

 private:
  int64_t positions_of(int64_t sequence) const;   // one more than its largest position, or its length
  void by_sequence(const Rope& rope, Buffer& memory) const;   // fills it

  const Batch& batch_;
  TensorView position_ids_;
  const int64_t* lengths_;
  int64_t positions_ = 0;
  std::vector<int32_t> own_rows_;              // 0, 1, 2, ...
  std::map<const RopeTable*, RopeTable::View> shared_;
  std::map<const RopeTable*, Buffer> own_;     // of Ropes that change with the length, a row for each token
};

}  // namespace fastplm
