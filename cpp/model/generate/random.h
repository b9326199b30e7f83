// Random numbers that depend on their place alone: what one row draws at a step is the same whatever other rows,
// earlier draws or threads there are.
#pragma once
#include <array>
#include <cstdint>

namespace fastplm {

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011), with its constants.
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, uint64_t seed) {
  uint32_t key0 = uint32_t(seed), key1 = uint32_t(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t(0xD2511F53) * counter[0], b = uint64_t(0xCD9E8D57) * counter[2];
    counter = {uint32_t(b >> 32) ^ counter[1] ^ key0, uint32_t(b), uint32_t(a >> 32) ^ counter[3] ^ key1, uint32_t(a)};
    key0 += 0x9E3779B9;
    key1 += 0xBB67AE85;
  }
  return counter;
}

struct Random {
  uint64_t seed = 0;
  uint32_t prompt = 0, copy = 0;   // which prompt of a call with that seed, and which of its results

  // In [0, 1), of 53 bits. draw: several of one step.
  double uniform(int64_t step, int64_t draw = 0) const {
    const auto bits = philox({uint32_t(step), uint32_t(draw), prompt, copy}, seed);
    return double(uint64_t(bits[0]) << 21 | bits[1] >> 11) * 0x1p-53;
  }
};

}  // namespace fastplm
