// What both passes of attention share: which tile of which sequence a block computes, and what its queries see.
#pragma once
#include "cuda/random.cuh"
#include "cuda/tile.cuh"

namespace fastplm::cuda {

// One sequence: where its queries and keys begin among all, and how many there are.
struct FlashSequence {
  int64_t query, key;
  int64_t queries, keys;

  __device__ int64_t place(int64_t q) const { return keys - queries + q; }   // the key that query q stands at
};

__device__ inline int64_t clamp(int64_t v, int64_t low, int64_t high) { return v < low ? low : v > high ? high : v; }

__device__ inline int64_t length_of(const int32_t* start, int64_t s, int64_t total) {
  return clamp(clamp(start[s + 1], 0, total) - clamp(start[s], 0, total), 0, total);
}

template <class T>
__device__ FlashSequence sequence_of(const CudaFlashArgs<T>& a, int64_t s) {
  return {clamp(a.query_start[s], 0, a.queries), clamp(a.key_start[s], 0, a.keys),
          length_of(a.query_start, s, a.queries), length_of(a.key_start, s, a.keys)};
}

struct FlashTile {
  int64_t sequence, first;   // row of the sequence; sequence < 0: there is no such tile
};

// Tiles are counted through all sequences. A warp looks at 32 sequences at a time; all lanes take part.
__device__ inline FlashTile find_tile(const int32_t* start, int64_t sequences, int64_t total, int tile, int64_t index) {
  for (int64_t from = 0; from < sequences; from += 32) {
    const int64_t s = from + lane();
    const int own = s < sequences ? int((length_of(start, s, total) + tile - 1) / tile) : 0;
    int until = own;   // tiles of these sequences up to this lane's
#pragma unroll
    for (int d = 1; d < 32; d *= 2) {
      const int before = of_lane_before(until, d);
      if (lane() >= d) until += before;
    }
    const uint32_t found = lanes_where(index < until);
    if (found) {
      const int which = __ffs(int(found)) - 1;
      const int64_t within = index - (of_lane(until, which) - of_lane(own, which));
      return {from + which, within * tile};
    }
    index -= of_lane(until, 31);
  }
  return {-1, 0};
}

struct FlashRange {
  int64_t begin, end;
};

// Keys that the queries [first, last] see, some of them at least.
__device__ inline FlashRange keys_seen(const FlashSequence& s, int64_t back, int64_t ahead, int64_t first,
                                       int64_t last) {
  return {back == kFar ? 0 : clamp(s.place(first) - back, 0, s.keys),
          ahead == kFar ? s.keys : clamp(s.place(last) + ahead + 1, 0, s.keys)};
}

// Queries that see one of the keys [first, last].
__device__ inline FlashRange queries_seeing(const FlashSequence& s, int64_t back, int64_t ahead, int64_t first,
                                            int64_t last) {
  const int64_t shift = s.place(0);
  return {ahead == kFar ? 0 : clamp(first - ahead - shift, 0, s.queries),
          back == kFar ? s.queries : clamp(last + back - shift + 1, 0, s.queries)};
}

__device__ inline bool sees(const FlashSequence& s, int64_t back, int64_t ahead, int64_t query, int64_t key) {
  const int64_t distance = key - s.place(query);
  return query < s.queries && key < s.keys && -distance <= back && distance <= ahead;
}

// Of one head: `bias` is at distance 0, or null. Wrong starts may bring distances that the table has not: NaN.
__device__ inline float bias_at(const float* bias, int64_t reach, int64_t distance) {
  if (!bias) return 0.0f;
  return -reach < distance && distance < reach ? bias[distance] : NAN;
}

// Which probabilities dropout keeps, of kQueries rows of lse and one group of 128 keys: a byte for each row and residue
// of the key by 16, whose bit m is the key 16 m further. Filled by a block; sync_block() before and after.
template <int kQueries, int kThreads>
__device__ void fill_kept(uint8_t* kept, const Dropout& d, int64_t first_row, int64_t row_step, int64_t group) {
  for (int i = int(threadIdx.x); i < kQueries * 16; i += kThreads) {
    kept[i] = uint8_t(kept_of_residue(d, first_row + i / 16 * row_step, group, i % 16));
  }
}
__device__ inline bool is_kept(const uint8_t* kept, int query, int64_t key) {
  return kept[query * 16 + int(key % 16)] >> (key % kDropGroup / 16) & 1;
}

// Calls body with the width of a head as a constant.
template <class Body>
int with_flash_dim(int head_dim, Body body) {
  switch (flash_dim(head_dim)) {
    case 32: return body(std::integral_constant<int, 32>{});
    case 64: return body(std::integral_constant<int, 64>{});
    case 128: return body(std::integral_constant<int, 128>{});
    default: return body(std::integral_constant<int, 256>{});
  }
}

}  // namespace fastplm::cuda
