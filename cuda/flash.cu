// Attention of packed queries to packed keys (arXiv:2205.14135, 2307.08691). Contract: cpp/ops/train/flash.h. A block
// has some queries of one head and walks over the keys they see; a warp has 16 of the queries.
#include "cuda/flash.cuh"
#include "cuda/kernels.cuh"

namespace fastplm::cuda {
namespace {

template <class T, int kDim>
struct FlashTiles {
  static constexpr int kRowBytes = kDim * int(sizeof(T));   // of a query or key
  static constexpr int kQueries = kRowBytes <= 512 ? 64 : 32;
  static constexpr int kKeys = kRowBytes <= 256 ? 64 : kRowBytes <= 512 ? 32 : 16;
  static constexpr int kThreads = kQueries / 16 * 32;
  static constexpr int kPitch = pitch_of<T>(kDim), kWeightPitch = pitch_of<T>(kKeys);
  static constexpr int kValues = (kQueries + 2 * kKeys) * kPitch + kQueries * kWeightPitch;
  static constexpr int kBytes = kValues * int(sizeof(T)) + kQueries * 16;

  T* const q = reinterpret_cast<T*>(shared_memory());
  T* const k = q + kQueries * kPitch;
  T* const v = k + kKeys * kPitch;
  T* const weights = v + kKeys * kPitch;
  uint8_t* const kept = reinterpret_cast<uint8_t*>(weights + kQueries * kWeightPitch);
};

template <class T, int kDim>
__global__ void __launch_bounds__((FlashTiles<T, kDim>::kThreads)) flash_kernel(CudaFlashArgs<T> a) {
  using Tiles = FlashTiles<T, kDim>;
  constexpr int kQueries = Tiles::kQueries, kKeys = Tiles::kKeys, kThreads = Tiles::kThreads, kPitch = Tiles::kPitch;
  const Tiles tiles;
  const FlashTile tile = find_tile(a.query_start, a.sequences, a.queries, kQueries, blockIdx.x);
  if (tile.sequence < 0) return;
  const FlashSequence s = sequence_of(a, tile.sequence);
  const int head = int(blockIdx.y), kv_head = head / (a.heads / a.kv_heads);
  const Dropout dropout = with_seed(a.dropout, a.seed);
  const int64_t ldq = int64_t(a.heads) * a.head_dim, ldk = int64_t(a.kv_heads) * a.head_dim;
  const int64_t rows = clamp(s.queries - tile.first, 0, kQueries), query = s.query + tile.first;
  const T* const k = a.k + (s.key * a.kv_heads + kv_head) * a.head_dim;
  const T* const v = a.v + (s.key * a.kv_heads + kv_head) * a.head_dim;
  const float* const bias = a.bias ? a.bias + head * (2 * a.reach - 1) + a.reach - 1 : nullptr;
  const FlashRange seen = keys_seen(s, a.back, a.ahead, tile.first, tile.first + rows - 1);
  const int64_t first = seen.begin / kKeys * kKeys;

  const auto load_keys = [&](T* to, const T* from, int64_t key) {
    load_tile<kKeys, kDim, kThreads>(to, from + key * ldk, ldk, s.keys - key, a.head_dim);
    end_of_group();
  };
  load_tile<kQueries, kDim, kThreads>(tiles.q, a.q + query * ldq + int64_t(head) * a.head_dim, ldq, rows, a.head_dim);
  if (first < seen.end) load_keys(tiles.k, k, first);

  Sums<1, kDim / 8> out;
  out.clear();
  float top[2] = {-INFINITY, -INFINITY}, total[2] = {0.0f, 0.0f};  // of this lane's two rows; its share of the total
  const int own_row = warp() * 16 + lane() / 4;
  for (int64_t key = first; key < seen.end; key += kKeys) {
    wait_for_groups<0>();
    sync_block();  // the keys are there; nobody reads the values and the bits of dropout of the step before
    load_keys(tiles.v, v, key);
    if (drops(dropout) && (key == first || key % kDropGroup == 0)) {
      fill_kept<kQueries, kThreads>(tiles.kept, dropout, query * a.heads + head, a.heads, key / kDropGroup);
    }
    Sums<1, kKeys / 8> scores;
    scores.clear();
    multiply<kDim, false, false>(scores, tiles.q + warp() * 16 * kPitch, kPitch, tiles.k, kPitch);
    wait_for_groups<0>();
    sync_block();  // the values are there; nobody reads the keys
    if (key + kKeys < seen.end) load_keys(tiles.k, k, key + kKeys);

    float new_top[2] = {top[0], top[1]};
    scores.for_pairs([&](int r, int c, float* x) {
      const int64_t i = tile.first + warp() * 16 + r;
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int64_t j = key + c + e;
        if (sees(s, a.back, a.ahead, i, j))
          x[e] = x[e] * a.scale + bias_at(bias, a.reach, j - s.place(i));
        else
          x[e] = -INFINITY;
        new_top[r / 8] = fmaxf(new_top[r / 8], x[e]);
      }
    });
    float shrink[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {  // four lanes share a row
      new_top[half] = fmaxf(new_top[half], of_partner(new_top[half], 1));
      new_top[half] = fmaxf(new_top[half], of_partner(new_top[half], 2));
      shrink[half] = new_top[half] == -INFINITY ? 1.0f : exp2f((top[half] - new_top[half]) * kLog2E);
      top[half] = new_top[half];
      total[half] *= shrink[half];
    }
    scores.for_pairs([&](int r, int c, float* x) {
      float weight[2];
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        weight[e] = x[e] == -INFINITY ? 0.0f : exp2f((x[e] - top[r / 8]) * kLog2E);
        total[r / 8] += weight[e];
        if (drops(dropout))
          weight[e] = is_kept(tiles.kept, warp() * 16 + r, key + c + e) ? weight[e] * dropout.scale : 0.0f;
      }
      store_pair(tiles.weights + (warp() * 16 + r) * Tiles::kWeightPitch + c, 2, true, weight);
    });
    out.for_pairs([&](int r, int, float* x) {
      x[0] *= shrink[r / 8];
      x[1] *= shrink[r / 8];
    });
    sync_warp();  // a warp reads only the weights that it wrote
    multiply<kKeys, false, true>(out, tiles.weights + warp() * 16 * Tiles::kWeightPitch, Tiles::kWeightPitch, tiles.v,
                                 kPitch);
  }
  end_of_group();  // where nothing is seen, the queries are still under way
  wait_for_groups<0>();
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    total[half] += of_partner(total[half], 1);
    total[half] += of_partner(total[half], 2);
    const int row = own_row + half * 8;
    if (row < rows && lane() % 4 == 0) {
      a.lse[(query + row) * a.heads + head] = total[half] > 0 ? top[half] + logf(total[half]) : -INFINITY;
    }
    total[half] = total[half] > 0 ? 1.0f / total[half] : 0.0f;
  }
  const bool aligned = a.head_dim % 2 == 0;
  out.for_pairs([&](int r, int c, const float* x) {
    if (warp() * 16 + r >= rows) return;
    const float y[2] = {x[0] * total[r / 8], x[1] * total[r / 8]};
    store_pair(a.out + (query + warp() * 16 + r) * ldq + int64_t(head) * a.head_dim + c, a.head_dim - c, aligned, y);
  });
}

template <class T>
int flash(CudaStream on, const CudaFlashArgs<T>& a) {
  return with_flash_dim(a.head_dim, [&](auto dim) {
    using Tiles = FlashTiles<T, dim()>;
    const dim3 grid(unsigned(flash_tiles(a.queries, a.sequences, Tiles::kQueries)), unsigned(a.heads));
    return launch(flash_kernel<T, dim()>, on, grid, Tiles::kThreads, Tiles::kBytes, a);
  });
}

}  // namespace

template <class T>
void fill_flash(CudaKernels<T>& k) {
  k.flash = flash<T>;
}
template void fill_flash(CudaKernels<float>&);
template void fill_flash(CudaKernels<f16>&);
template void fill_flash(CudaKernels<bf16>&);

}  // namespace fastplm::cuda
