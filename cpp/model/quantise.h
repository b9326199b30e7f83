// A checkpoint's matrices as the integers that they are loaded as.
#pragma once
#include "core/value.h"
#include "model/loader.h"

namespace fastplm {

// format: of integers. What the class's layers multiply with, each once; a checkpoint in which these take the place of
// what they replace loads as the same model, bit for bit. Throws kFile, kUnsupported.
FASTPLM_EXPORT std::vector<CodedTensor> quantise(const std::string& model_type, const std::string& class_name,
                                                 const Value& config, const std::vector<TensorEntry>& tensors,
                                                 Format format);

}  // namespace fastplm
