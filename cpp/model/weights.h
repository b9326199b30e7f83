// A checkpoint's tensors, found by the Arch's names, checked against the Spec and packed once.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/mapped_file.h"
#include "core/tensor.h"
#include "model/arch.h"
#include "ops/linear.h"

namespace fastplm {

// One entry of a checkpoint: what the safetensors header says, validated once already by the caller.
struct TensorEntry {
  std::string name;
  std::string path;
  DType dtype;
  Shape shape;
  int64_t offset, bytes;   // from the beginning of the file
};

struct LinearWeights {
  ops::PackedWeight weight;
  TensorView bias;   // f32, or empty
};

struct NormWeights {
  TensorView weight, bias;   // f32, or empty
};

struct LayerWeights {
  NormWeights attention_norm, mlp_norm;
  LinearWeights qkv, attention_out, mlp_up, mlp_down;
};

struct Weights {
  TensorView tokens;                // [vocab, width], of the model's dtype
  TensorView segments, positions;   // f32, or empty
  TensorView distance_bias;         // [buckets, heads] f32, or empty
  NormWeights embed_norm, final_norm;
  LinearWeights pooler;             // empty if the checkpoint has none
  std::vector<LayerWeights> layers;
  std::vector<Buffer> memory;       // what all of them view
  int64_t bytes = 0;
};

// Throws kFile naming the tensor that is missing or has the wrong shape, kUnsupported for its dtype.
Weights load_weights(const Arch& arch, const Spec& spec, const std::vector<TensorEntry>& entries, DType dtype);

}  // namespace fastplm
