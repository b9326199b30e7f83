// Rotary positions as config.json describes them, whatever the family.
#pragma once
#include "model/arch.h"

namespace fastplm {

struct RopeSettings {
  int64_t head_dim;
  int64_t positions = 2048;                // max_position_embeddings, where the file says nothing
  double theta = 10000.0;                  // and the same of the base
  const char* theta_name = "rope_theta";   // its flat name, in older files
  const char* layers = nullptr;            // the kind of layer, of families that keep a set of parameters for each
  bool scaled = true;                      // of such a family, rope_scaling is of this kind
  double part = 1.0;                       // how much of a head turns, where the file says nothing
  const char* part_name = nullptr;         // its flat name; null: whole heads turn
  const char* original_name = nullptr;     // a flat setting that wins over original_max_position_embeddings within
  std::array<const char*, 2> long_names = {};   // older names of "longrope"
};

// Throws kFile, kUnsupported. Papers: arXiv:2104.09864; arXiv:2309.00071 (yarn); arXiv:2402.13753 (longrope).
Rope rope_of(const Value& config, const RopeSettings& settings);

}  // namespace fastplm
