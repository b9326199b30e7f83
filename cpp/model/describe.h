// A model's description without its weights: what training reads, and tests compare with transformers.
#pragma once
#include <string>
#include <vector>

#include "core/tensor.h"
#include "core/value.h"
#include "model/arch.h"

namespace fastplm {

// A tensor that the model asks its checkpoint for.
struct WeightNote {
  std::string stack;                // "encoder" or "decoder"; "head" of the class's own
  std::string slot;                 // the block's own name of it; of a head's, its name in the checkpoint
  int64_t layer;
  std::vector<std::string> names;   // where it may be, in the order in which it is looked for
  Shape shape;                      // as it is stored
  Load load;
};

struct Description {
  Spec spec;
  bool tied;  // the projection to the vocabulary is the table of tokens, unless the checkpoint has one of its own
  std::vector<HeadOutput> heads;
  std::vector<WeightNote> weights;
};

// class_name: of transformers, one of the family's. Throws kFile, kUnsupported.
FASTPLM_EXPORT Description describe(const std::string& model_type, const std::string& class_name, const Value& config);

}  // namespace fastplm
