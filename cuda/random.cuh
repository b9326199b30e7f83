// What dropout keeps: the same elements as cpp/kernels/random.inl.h keeps, where the generator is described.
#pragma once
#include "cuda/rows.cuh"

namespace fastplm::cuda {

constexpr int kDropGroup = 128;

__device__ inline bool drops(const Dropout& d) { return d.threshold > 0; }

// The seed lies in the device's memory.
__device__ inline Dropout with_seed(Dropout d, const int64_t* seed) {
  if (!drops(d)) return d;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    d.key[i] = uint32_t(uint64_t(seed[0]) >> 32 * i);
    d.offset[i] = uint32_t(uint64_t(seed[1]) >> 32 * i);
  }
  return d;
}

__device__ inline void philox(const Dropout& d, uint32_t row, uint32_t counter, uint32_t (&words)[4]) {
  uint32_t a = counter, b = row, c = d.offset[0], e = d.offset[1], key0 = d.key[0], key1 = d.key[1];
#pragma unroll
  for (int round = 0; round < 7; ++round) {
    const uint64_t first = uint64_t(a) * 0xd2511f53u, second = uint64_t(c) * 0xcd9e8d57u;
    a = uint32_t(second >> 32) ^ b ^ key0;
    b = uint32_t(second);
    c = uint32_t(first >> 32) ^ e ^ key1;
    e = uint32_t(first);
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  }
  words[0] = a;
  words[1] = b;
  words[2] = c;
  words[3] = e;
}

// Bit m: whether element 128 group + 16 m + residue of the row is kept, 0 <= residue < 16.
__device__ inline uint32_t kept_of_residue(const Dropout& d, int64_t row, int64_t group, int residue) {
  uint32_t words[4], kept = 0;
  philox(d, uint32_t(row), uint32_t(group * 16 + residue), words);
  const uint32_t limit = uint32_t(d.threshold);
#pragma unroll
  for (int m = 0; m < 8; ++m) {
    const uint32_t value = m % 2 ? words[m / 2] >> 16 : words[m / 2] & 0xffff;
    kept |= uint32_t(value >= limit) << m;
  }
  return kept;
}

// keep[j]: what element i + j of the row is multiplied by, where i is this lane's in a call of for_eights. A lane draws
// the numbers of one residue, and all take from each other what they need; so all lanes call it together.
__device__ inline void keep_eight(const Dropout& d, int64_t row, int64_t i, float (&keep)[kEight]) {
  if (!drops(d)) {
#pragma unroll
    for (int j = 0; j < kEight; ++j) keep[j] = 1.0f;
    return;
  }
  const int in_group = int(i % kDropGroup), half_warp = lane() / 16 * 16;
  const uint32_t mine = kept_of_residue(d, row, i / kDropGroup, lane() % 16);
#pragma unroll
  for (int j = 0; j < kEight; ++j) {
    const uint32_t kept = of_lane(mine, half_warp + in_group % 16 + j);
    keep[j] = kept >> in_group / 16 & 1 ? d.scale : 0.0f;
  }
}

}  // namespace fastplm::cuda
