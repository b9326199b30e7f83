// The gradient of attention, which computes the probabilities again from lse. Contract: cpp/ops/train/flash.h.
//
// One kernel text, twice: a block owns some keys and walks over the queries that see them, for dk and dv; or it owns
// some queries and walks over the keys they see, for dq and the bias. So every sum has one owner and one order, and
// there are no atomics; the price is that scores are computed twice.
#include "cuda/flash.cuh"
#include "cuda/kernels.cuh"

namespace fastplm::cuda {
namespace {

// shares[row] = the sum over a head of dout out: of each query, the sum over keys of probability times its gradient.
template <class T>
struct SharesCall {
  const T *dout, *out;
  int64_t dim, rows;
  float* shares;
};

template <class T>
__global__ void __launch_bounds__(kRowThreads) shares_kernel(SharesCall<T> a) {
  const int64_t row = row_of_warp();
  if (row >= a.rows) return;
  float total = 0.0f;
  for_eights(a.dim, [&](int64_t i, int n) {
    float dout[kEight], out[kEight];
    load8(a.dout + row * a.dim + i, n, dout);
    load8(a.out + row * a.dim + i, n, out);
#pragma unroll
    for (int j = 0; j < kEight; ++j) total += dout[j] * out[j];
  });
  total = warp_sum(total);
  if (lane() == 0) a.shares[row] = total;
}

// Of own rows, first and second are k and v, or q and dout; of the others it is the other way round.
template <class T, int kDim, bool kOwnsKeys>
struct GradTiles {
  static constexpr int kTile = flash_grad_tile(sizeof(T), kDim);
  static constexpr int kThreads = kTile / 16 * 2 * 32;   // two warps side by side
  static constexpr int kPitch = pitch_of<T>(kDim), kScorePitch = pitch_of<T>(kTile), kDiagonalPitch = kTile + 1;
  static constexpr int kScoreBytes = kTile * kScorePitch * int(sizeof(T));
  static constexpr int kDiagonalBytes = kTile * kDiagonalPitch * int(sizeof(float));
  static constexpr int kSecondBytes = kOwnsKeys ? kScoreBytes : kDiagonalBytes;
  static constexpr int kBytes = 4 * kTile * kPitch * int(sizeof(T)) + kScoreBytes + kSecondBytes + kTile * (2 * 4 + 16);

  T* const own_first = reinterpret_cast<T*>(shared_memory());
  T* const own_second = own_first + kTile * kPitch;
  T* const other_first = own_second + kTile * kPitch;
  T* const other_second = other_first + kTile * kPitch;
  T* const dscores = other_second + kTile * kPitch;
  char* const second = reinterpret_cast<char*>(dscores) + kScoreBytes;
  T* const weights = reinterpret_cast<T*>(second);             // where keys are owned
  float* const diagonals = reinterpret_cast<float*>(second);   // where queries are
  float* const lse = reinterpret_cast<float*>(second + kSecondBytes);   // of the queries
  float* const shares = lse + kTile;
  uint8_t* const kept = reinterpret_cast<uint8_t*>(shares + kTile);
};

template <class T, int kDim, bool kOwnsKeys>
__global__ void __launch_bounds__((GradTiles<T, kDim, kOwnsKeys>::kThreads)) flash_grad_kernel(CudaFlashGradArgs<T> g) {
  using Tiles = GradTiles<T, kDim, kOwnsKeys>;
  constexpr int kTile = Tiles::kTile, kThreads = Tiles::kThreads, kPitch = Tiles::kPitch;
  constexpr int kScorePitch = Tiles::kScorePitch, kHalf = kTile / 2;
  const Tiles tiles;
  const CudaFlashArgs<T>& a = g.forward;
  const int own_head = int(blockIdx.y), group = a.heads / a.kv_heads;
  const int64_t width = 2 * a.reach - 1;
  float* dbias = nullptr;
  if constexpr (!kOwnsKeys) {
    if (g.dbias) {   // also where there is no tile: every share is read
      dbias = g.dbias + (int64_t(blockIdx.x) * a.heads + own_head) * width;
      for (int64_t i = threadIdx.x; i < width; i += kThreads) dbias[i] = 0.0f;
    }
  }
  const FlashTile tile = kOwnsKeys ? find_tile(a.key_start, a.sequences, a.keys, kTile, blockIdx.x)
                                   : find_tile(a.query_start, a.sequences, a.queries, kTile, blockIdx.x);
  if (tile.sequence < 0) return;
  const FlashSequence s = sequence_of(a, tile.sequence);
  const Dropout dropout = with_seed(a.dropout, a.seed);
  const int64_t ldq = int64_t(a.heads) * a.head_dim, ldk = int64_t(a.kv_heads) * a.head_dim;
  const int64_t rows = clamp((kOwnsKeys ? s.keys : s.queries) - tile.first, 0, kTile);
  const int warp_row = warp() / 2 * 16, warp_half = warp() % 2;

  // Where rows of a head begin; queries and keys count from the sequence's first.
  const auto query_at = [&](int64_t query, int head) { return (s.query + query) * ldq + int64_t(head) * a.head_dim; };
  const auto key_at = [&](int64_t key, int head) { return (s.key + key) * ldk + int64_t(head) * a.head_dim; };
  const auto load_queries = [&](T* first, T* second, int64_t query, int head) {
    load_tile<kTile, kDim, kThreads>(first, a.q + query_at(query, head), ldq, s.queries - query, a.head_dim);
    load_tile<kTile, kDim, kThreads>(second, g.dout + query_at(query, head), ldq, s.queries - query, a.head_dim);
    for (int i = int(threadIdx.x); i < kTile; i += kThreads) {
      const bool there = query + i < s.queries;
      const int64_t row = (s.query + query + i) * a.heads + head;
      tiles.lse[i] = there ? a.lse[row] : 0.0f;
      tiles.shares[i] = there ? g.shares[row] : 0.0f;
    }
  };
  const auto load_keys = [&](T* first, T* second, int64_t key, int head) {
    load_tile<kTile, kDim, kThreads>(first, a.k + key_at(key, head), ldk, s.keys - key, a.head_dim);
    load_tile<kTile, kDim, kThreads>(second, a.v + key_at(key, head), ldk, s.keys - key, a.head_dim);
  };

  Sums<1, kDim / 16> first_sums, second_sums;   // of dk and dv, or of dq
  first_sums.clear();
  second_sums.clear();
  if constexpr (kOwnsKeys)
    load_keys(tiles.own_first, tiles.own_second, tile.first, own_head);
  else
    load_queries(tiles.own_first, tiles.own_second, tile.first, own_head);
  const FlashRange seen = kOwnsKeys ? queries_seeing(s, a.back, a.ahead, tile.first, tile.first + rows - 1)
                                    : keys_seen(s, a.back, a.ahead, tile.first, tile.first + rows - 1);
  for (int of_group = 0; of_group < (kOwnsKeys ? group : 1); ++of_group) {
    const int head = kOwnsKeys ? own_head * group + of_group : own_head;   // of the queries
    const float* const bias = a.bias ? a.bias + head * width + a.reach - 1 : nullptr;
    for (int64_t other = seen.begin / kTile * kTile; other < seen.end; other += kTile) {
      const int64_t first_query = kOwnsKeys ? other : tile.first, first_key = kOwnsKeys ? tile.first : other;
      sync_block();   // nobody reads the tiles of the step before
      if constexpr (kOwnsKeys)
        load_queries(tiles.other_first, tiles.other_second, other, head);
      else
        load_keys(tiles.other_first, tiles.other_second, other, head / group);
      if (drops(dropout)) {
        fill_kept<kTile, kThreads>(tiles.kept, dropout, (s.query + first_query) * a.heads + head, a.heads,
                                   first_key / kDropGroup);
      }
      end_of_group();
      wait_for_groups<0>();
      sync_block();   // they are there
      Sums<1, kHalf / 8> scores, dweights;
      scores.clear();
      dweights.clear();
      multiply<kDim, false, false>(scores, tiles.own_first + warp_row * kPitch, kPitch,
                                   tiles.other_first + warp_half * kHalf * kPitch, kPitch);
      multiply<kDim, false, false>(dweights, tiles.own_second + warp_row * kPitch, kPitch,
                                   tiles.other_second + warp_half * kHalf * kPitch, kPitch);
#pragma unroll
      for (int n = 0; n < kHalf / 8; ++n)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int r = warp_row + half * 8 + lane() / 4, c = warp_half * kHalf + n * 8 + lane() % 4 * 2;
          float weight[2], dscore[2];
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const int q = kOwnsKeys ? c + e : r, k = kOwnsKeys ? r : c + e;   // within the tiles
            const int64_t query = first_query + q, key = first_key + k;
            weight[e] = dscore[e] = 0.0f;
            if (sees(s, a.back, a.ahead, query, key)) {
              const float score = scores.v[0][n][half * 2 + e] * a.scale + bias_at(bias, a.reach, key - s.place(query));
              const float probability = exp2f((score - tiles.lse[q]) * kLog2E);
              const float keep = !drops(dropout) ? 1.0f : is_kept(tiles.kept, q, key) ? dropout.scale : 0.0f;
              weight[e] = probability * keep;
              dscore[e] = probability * (dweights.v[0][n][half * 2 + e] * keep - tiles.shares[q]);
            }
            if constexpr (!kOwnsKeys) {
              if (dbias) tiles.diagonals[r * Tiles::kDiagonalPitch + c + e] = dscore[e];
            }
          }
          store_pair(tiles.dscores + r * kScorePitch + c, 2, true, dscore);
          if constexpr (kOwnsKeys) store_pair(tiles.weights + r * kScorePitch + c, 2, true, weight);
        }
      sync_block();   // a warp reads what its neighbour wrote
      multiply<kTile, false, true>(first_sums, tiles.dscores + warp_row * kScorePitch, kScorePitch,
                                   tiles.other_first + warp_half * (kDim / 2), kPitch);
      if constexpr (kOwnsKeys) {
        multiply<kTile, false, true>(second_sums, tiles.weights + warp_row * kScorePitch, kScorePitch,
                                     tiles.other_second + warp_half * (kDim / 2), kPitch);
      } else if (dbias) {   // a thread adds up one distance
        for (int d = int(threadIdx.x); d < 2 * kTile - 1; d += kThreads) {
          const int distance = d - (kTile - 1);
          float sum = 0.0f;
          for (int r = distance < 0 ? -distance : 0; r < kTile && r + distance < kTile; ++r) {
            sum += tiles.diagonals[r * Tiles::kDiagonalPitch + r + distance];
          }
          const int64_t at = a.reach - 1 + first_key - s.place(first_query) + distance;
          if (at >= 0 && at < width) dbias[at] += sum;
        }
      }
    }
  }
  end_of_group();   // where nothing is seen, own rows are still under way
  wait_for_groups<0>();
  const bool aligned = a.head_dim % 2 == 0;
  const auto write = [&](Sums<1, kDim / 16>& sums, T* to, float factor) {
    sums.for_pairs([&](int r, int c, const float* x) {
      c += warp_half * (kDim / 2);
      if (warp_row + r >= rows) return;
      const int64_t row = tile.first + warp_row + r;
      const float y[2] = {x[0] * factor, x[1] * factor};
      store_pair(to + (kOwnsKeys ? key_at(row, own_head) : query_at(row, own_head)) + c, a.head_dim - c, aligned, y);
    });
  };
  if constexpr (kOwnsKeys) {
    write(first_sums, g.dk, a.scale);
    write(second_sums, g.dv, 1.0f);
  } else {
    write(first_sums, g.dq, a.scale);
  }
}

template <class T>
int flash_grad(CudaStream on, const CudaFlashGradArgs<T>& g) {
  const CudaFlashArgs<T>& a = g.forward;
  const int64_t rows = a.queries * a.heads;
  const SharesCall<T> shares{g.dout, a.out, a.head_dim, rows, g.shares};
  if (const int error = launch(shares_kernel<T>, on, blocks_of_rows(rows), kRowThreads, 0, shares)) return error;
  return with_flash_dim(a.head_dim, [&](auto dim) {
    using OfKeys = GradTiles<T, dim(), true>;
    using OfQueries = GradTiles<T, dim(), false>;
    const dim3 key_grid(unsigned(flash_tiles(a.keys, a.sequences, OfKeys::kTile)), unsigned(a.kv_heads));
    const dim3 query_grid(unsigned(flash_tiles(a.queries, a.sequences, OfQueries::kTile)), unsigned(a.heads));
    const int error = launch(flash_grad_kernel<T, dim(), true>, on, key_grid, OfKeys::kThreads, OfKeys::kBytes, g);
    if (error) return error;
    return launch(flash_grad_kernel<T, dim(), false>, on, query_grid, OfQueries::kThreads, OfQueries::kBytes, g);
  });
}

}  // namespace

template <class T>
void fill_flash_grad(CudaKernels<T>& k) {
  k.flash_grad = flash_grad<T>;
}
template void fill_flash_grad(CudaKernels<float>&);
template void fill_flash_grad(CudaKernels<f16>&);
template void fill_flash_grad(CudaKernels<bf16>&);

}  // namespace fastplm::cuda
