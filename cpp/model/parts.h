// What a model consists of: its Spec, the weights of its stacks and its heads.
#pragma once
#include <vector>

#include "core/value.h"
#include "model/blocks/head.h"
#include "model/stack.h"

namespace fastplm {

struct Parts {
  Spec spec;
  StackWeights encoder, decoder;
  std::vector<LoadedHead> heads;

  const StackSpec& last() const { return spec.decoder ? *spec.decoder : *spec.encoder; }   // what heads follow
};

// Asks `load` for every weight of a class of a family. optional: whether results that a class may leave out are made.
// Throws kFile, kUnsupported for what the config says.
Parts load_parts(Loader& load, const Arch& arch, const ModelClass& kind, const Value& config, bool optional);

}  // namespace fastplm
