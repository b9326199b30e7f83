// What libfastplm_cuda.so offers: one table of functions, found by name with dlsym. Plain structs and function
// pointers only. A function works on a whole operation whose arguments have been checked; it launches on the stream and
// does not wait. All pointers are to the device's memory unless said otherwise; contracts: cpp/ops/train/<op>.h.
#pragma once
#include "kernels/train_args.h"

namespace fastplm {

struct CudaStream {
  int device;
  uintptr_t stream;  // cudaStream_t
};

struct CudaDeviceInfo {
  char name[256];
  int32_t major, minor;  // compute capability
  int64_t memory_bytes;
};

// Rows are cut into `count` blocks of `size`, whose sums are added in ascending order.
struct RowCut {
  int64_t rows, size, count;
};

template <class T>
struct CudaProductArgs {  // out = act(a b + bias), or out_f32 += a b
  const T *a, *b;  // [m, k] and [k, n]; transposed: [k, m] and [n, k]
  bool a_transposed, b_transposed;
  int64_t m, n, k;
  const float* bias;  // [n] or null
  Act act;
  bool accumulate;
  T* before;  // [m, n] or null: what act is applied to
  float* out_f32;  // [m, n]; or null, and then
  T* out;  // [m, n]
  void* workspace;  // 256-byte aligned
  int64_t workspace_bytes;
};

// Attention of packed queries to packed keys. Sequence s has the queries query_start[s] to query_start[s + 1] - 1 and
// the keys likewise; starts are clamped to what there is, so that wrong ones read nothing else.
template <class T>
struct CudaFlashArgs {
  const T *q, *k, *v;  // [queries, heads, head_dim], [keys, kv_heads, head_dim]
  const int32_t *query_start, *key_start;  // [sequences + 1]
  int64_t sequences, queries, keys;
  int heads, kv_heads, head_dim;
  float scale;
  int64_t back, ahead;  // as in FlashArgs
  const float* bias;  // [heads, 2 reach - 1] or null; NaN beyond
  int64_t reach;
  Dropout dropout;
  const int64_t* seed;
  T* out;  // as q
  float* lse;  // [queries, heads]
};

template <class T>
struct CudaFlashGradArgs {
  CudaFlashArgs<T> forward;
  const T* dout;  // as out
  float* shares;  // [queries, heads]: workspace
  T *dq, *dk, *dv;
  float* dbias;  // [flash_tiles(queries, ...), heads, 2 reach - 1]: shares of the gradient; or null
};

struct CudaAdamWTensor {
  void *param, *mean, *square;
  const void* grad;
  float* master;  // or null
  int64_t count;
  float step_size, root_factor;  // as in AdamWArgs
};

template <class T>
struct CudaKernels {  // each returns 0, or an error of the CUDA runtime
  // seed: [2] of dropout, whose key and offset are not filled in; not read without dropout
  int (*add_norm)(CudaStream, const AddNormArgs<T>&, int64_t rows, const int64_t* seed);
  // parts: [rows.count, 2, dim], where dweight or dbias is wanted
  int (*add_norm_grad)(CudaStream, const AddNormGradArgs<T>&, RowCut rows, const int64_t* seed, float* dweight,
                       float* dbias, float* parts);
  int (*gated)(CudaStream, const GatedArgs<T>&, int64_t rows, const int64_t* seed);
  int (*gated_grad)(CudaStream, const GatedGradArgs<T>&, int64_t rows, const int64_t* seed);
  int (*column_sums)(CudaStream, const T* x, int64_t dim, RowCut rows, float* sums, float* parts);  // [rows.count, dim]
  int (*cross_entropy)(CudaStream, const LossArgs<T>&, int64_t rows);
  int (*cross_entropy_grad)(CudaStream, const LossGradArgs<T>&, int64_t rows);
  int (*product)(CudaStream, const CudaProductArgs<T>&);
  int (*flash)(CudaStream, const CudaFlashArgs<T>&);
  int (*flash_grad)(CudaStream, const CudaFlashGradArgs<T>&);
  // tensors: in host memory; common: what is the same for all; state_f32: mean and square are f32, else of T;
  // scale: [1], what gradients are taken times besides common.grad_scale, or null
  int (*adamw)(CudaStream, const CudaAdamWTensor* tensors, int64_t count, const AdamWArgs<T, float>& common,
               bool state_f32, const float* scale);
  // parts: [the sum of adamw_blocks(count) over the tensors], the sum of the squares of each block of grad
  int (*sum_squares)(CudaStream, const CudaAdamWTensor* tensors, int64_t count, double* parts);
  int (*norm)(CudaStream, const NormArgs<T>&, int64_t rows);
  int (*head_norm)(CudaStream, const HeadNormArgs<T>&, int64_t rows);
  int (*glu)(CudaStream, const GluArgs<T>&, int64_t rows);
  int (*rope)(CudaStream, const RopeArgs<T>&, int64_t rows, int64_t positions);
  int (*embed)(CudaStream, const EmbedArgs<T>&, int64_t rows, int64_t vocab, int64_t segments, int64_t positions);
};

struct CudaTable {
  uint64_t layout;  // FASTPLM_CUDA_LAYOUT of cuda/layout.cmake: of all structs that cross; always the first member
  // Writes up to `capacity` devices and returns how many there are; or returns -1 and writes the reason.
  int (*devices)(CudaDeviceInfo* devices, int capacity, char* reason, int reason_bytes);
  const char* (*error_text)(int error);
  const char* (*product_library)();  // which cuBLASLt was found, or why none
  int (*norm_of_parts)(CudaStream, const double* parts, int64_t count, float* norm);  // sqrt of the sum
  CudaKernels<float> f32;
  CudaKernels<f16> half;
  CudaKernels<bf16> bf;

  template <class T>
  const CudaKernels<T>& of() const;
};

template <>
inline const CudaKernels<float>& CudaTable::of<float>() const {
  return f32;
}
template <>
inline const CudaKernels<f16>& CudaTable::of<f16>() const {
  return half;
}
template <>
inline const CudaKernels<bf16>& CudaTable::of<bf16>() const {
  return bf;
}

// Rows of one tile of attention's gradient: what fits into the shared memory that every GPU since sm_80 has.
constexpr int flash_grad_tile(int value_bytes, int dim) {
  const int pad = 16 / value_bytes;
  for (int tile = 64; tile > 16; tile /= 2) {
    const int four = 4 * tile * (dim + pad) * value_bytes, scores = tile * (tile + pad) * value_bytes;
    const int second = scores > tile * (tile + 1) * 4 ? scores : tile * (tile + 1) * 4;
    if (four + scores + second + tile * 24 <= 99 << 10) return tile;
  }
  return 16;
}
// The width a head of attention is computed in.
constexpr int flash_dim(int head_dim) {
  return head_dim <= 32 ? 32 : head_dim <= 64 ? 64 : head_dim <= 128 ? 128 : 256;
}
constexpr int kFlashMostDim = 256;
// Tiles of packed sequences are at most this many; some may be empty.
constexpr int64_t flash_tiles(int64_t rows, int64_t sequences, int tile) { return rows / tile + sequences; }

constexpr int64_t kAdamWBlock = 8192;  // values that a block of threads updates
constexpr int64_t adamw_blocks(int64_t count) { return (count + kAdamWBlock - 1) / kAdamWBlock; }

}  // namespace fastplm

extern "C" __attribute__((visibility("default"))) const fastplm::CudaTable* fastplm_cuda_table();
