// A loaded model and its forward pass.
#pragma once
#include <memory>
#include <mutex>
#include <vector>

#include "core/value.h"
#include "model/batch.h"
#include "model/weights.h"

namespace fastplm {

class FASTPLM_EXPORT Model {
 public:
  // dtype: kF32 or kBF16. Throws kFile, kUnsupported.
  Model(const std::string& model_type, const Value& config, const std::vector<TensorEntry>& tensors, DType dtype);
  ~Model();

  const Spec& spec() const { return spec_; }
  DType dtype() const { return dtype_; }
  int64_t bytes() const { return weights_.bytes; }   // of the weights in memory
  bool has_pooler() const { return bool(weights_.pooler.weight); }

  // Runs the encoder. Any number of threads may call it at once. Throws kValue, kType for ids out of range,
  // sequences longer than spec().max_length and views of the wrong shape.
  void forward(const Batch& batch, const Outputs& out) const;

 private:
  struct Group;   // sequences that one thread, or all of them, carry through the whole model
  class Lease;    // workspace on loan

  void run(const Batch& batch, const Outputs& out, bool alone) const;
  void run_groups(const Batch& batch, const Outputs& out, const std::vector<Group>& groups) const;
  void check(const Batch& batch) const;

  Spec spec_;
  DType dtype_;
  Weights weights_;
  std::vector<Buffer> rope_memory_;
  std::vector<TensorView> rope_;   // of spec_.attention[i]; empty if it has none

  mutable std::mutex free_lock_;
  mutable std::vector<Arena> free_;   // workspaces not on loan
};

}  // namespace fastplm
