// The weights of a stack, laid out as its Spec.
#pragma once
#include <variant>
#include <vector>

#include "model/blocks/attention.h"
#include "model/blocks/conv.h"
#include "model/blocks/embed.h"
#include "model/blocks/mlp.h"

namespace fastplm {

struct BranchWeights {
  NormWeights before, inner;
  std::variant<AttentionWeights, MlpWeights, ConvWeights> op;
};
struct SublayerWeights {
  std::vector<BranchWeights> branches;
  NormWeights after;
};
using LayerWeights = std::vector<SublayerWeights>;

struct StackWeights {
  EmbedWeights embed;
  std::vector<LayerWeights> layers;   // by weights_of
  NormWeights last;
  LinearWeights projected;
  std::vector<TensorView> buckets;    // [buckets, heads] f32: one, or by weights_of; or none
  std::shared_ptr<WaveTable> waves;   // of RelativeWaves, by weights_of; or null

  const LayerWeights& layer(const StackSpec& spec, int64_t n) const {
    return layers[size_t(spec.weights_of[size_t(n)])];
  }
};

// What the slots of a branch's weights begin with: "attention", "cross", "mlp" or "conv".
FASTPLM_EXPORT std::string slot_of(const Branch& branch);

// encoder_width: of the states that the stack attends to, if it does.
// Norms have the slots <slot>.before, <slot>.inner and, by a sublayer's first branch, <slot>.after; and "last".
// The projection behind the layers has the slot last.project.
StackWeights load_stack(Loader& load, const StackSpec& spec, int64_t encoder_width);

}  // namespace fastplm
