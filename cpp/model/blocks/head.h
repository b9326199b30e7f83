// What a model's class makes of the last hidden states: lists of steps (spec.h: HeadStep).
#pragma once
#include "model/blocks/space.h"
#include "model/loader.h"

namespace fastplm {

struct HeadWeights {
  std::vector<LinearWeights> linear;   // one for each step; empty where it needs none
  std::vector<NormWeights> norm;
};

// One result of a head, ready to run.
struct LoadedHead {
  HeadOutput spec;
  HeadWeights weights;
  int64_t width = 0;        // of the result
  int64_t widest = 0;       // of all steps' inputs and results but the last
};

std::vector<LoadedHead> load_head(Loader& load, const std::vector<HeadOutput>& outputs, int64_t width, int64_t vocab);

// out [tokens (or targets) or sequences, head.width] f32 from a.last. last_rows: [sequences], of each one's last token.
void head_block(const LoadedHead& head, const Batch& batch, Space& a, bool last_rows, TensorView out);

}  // namespace fastplm
