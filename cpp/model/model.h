// A loaded model and its forward pass.
#pragma once
#include <atomic>
#include <mutex>
#include <vector>

#include "core/value.h"
#include "model/cache.h"
#include "model/forward.h"
#include "model/parts.h"

namespace fastplm {

class FASTPLM_EXPORT Model {
 public:
  // class_name: of transformers, one of the family's. format: of the weights. optional: whether results that a class
  // may leave out are made. Throws kFile, kUnsupported.
  Model(const std::string& model_type, const std::string& class_name, const Value& config,
        const std::vector<TensorEntry>& tensors, Format format, bool optional = true);
  ~Model();

  const Spec& spec() const { return parts_.spec; }
  const StackSpec& last() const { return parts_.last(); }
  Format format() const { return format_; }
  DType dtype() const { return dtype_; }  // of activations
  uint64_t id() const { return id_; }   // of no other model of this process, earlier ones included
  int64_t bytes() const { return memory_.bytes; }   // of the weights in memory
  const std::vector<LoadedHead>& heads() const { return parts_.heads; }
  const std::vector<std::string>& missing() const { return missing_; }   // weights that the checkpoint lacks

  // Caches made from now on hold keys and values as int8 codes.
  void round_cache(bool rounds) { rounds_cache_ = rounds; }
  bool rounds_cache() const { return rounds_cache_; }
  Cache new_cache() const;   // throws kValue for a model without a decoder

  // Runs one stack: the encoder, or the decoder (encoder: false). Any number of threads may call it at once, each
  // with a cache of its own. Throws kValue, kType for ids out of range, sequences longer than the stack's max_length
  // and views of the wrong shape.
  struct Decoding {
    Cache* cache = nullptr;             // extended for the batch's tokens already; or null
    TensorView states, starts;          // of the encoder: [tokens, width] f32, cu_seqlens; or empty
    std::vector<std::vector<int32_t>> columns;   // of its tokens in their padded rows; empty: 0, 1, 2, ...
    std::vector<int64_t> past;          // [sequences] columns of the padded rows before, or empty
    // [sequences] of tokens that further passes complete: rotary frequencies that depend on the length take this one
    // where the pass reaches less far; or empty
    std::vector<int64_t> lengths = {};
  };
  // remembered: [layers, sequences, batch.remembered, width] f32, of the hidden states before each layer; or empty
  void encode(const Batch& batch, const Outputs& out, TensorView remembered = {}) const;
  void decode(const Batch& batch, const Decoding& decoding, const Outputs& out) const;

 private:
  class Lease;  // workspace on loan

  static uint64_t next_id();

  void check(const StackSpec& spec, const Batch& batch, const Decoding& decoding) const;
  void run(StackCall call, const Batch& batch, const Outputs& out) const;
  void run_groups(const StackCall& call, const Batch& batch, const Outputs& out,
                  const std::vector<Group>& groups) const;
  void run_one(const StackCall& call, const Batch& batch, const Outputs& out, bool alone) const;
  void write_encoder_keys(KeyStore& keys, const Decoding& decoding) const;
  void write_remembered_keys(KeyStore& keys, const Batch& batch, TensorView states) const;

  const uint64_t id_ = next_id();
  Format format_;
  DType dtype_;
  Memory memory_;
  Parts parts_;
  std::vector<std::string> missing_;
  std::atomic<bool> rounds_cache_{false};

  mutable std::mutex free_lock_;
  mutable std::vector<Arena> free_;  // workspaces not on loan
};

}  // namespace fastplm
