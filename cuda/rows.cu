// Norms, rotary positions and embeddings. Contracts: cpp/ops/norm.h, rope.h, embed.h. The host does not see ids: a row
// with one that is out of range becomes NaN.
#include "cuda/kernels.cuh"
#include "cuda/rows.cuh"

namespace fastplm::cuda {
namespace {

template <class T>
struct NormCall {
  NormArgs<T> args;
  int64_t rows;
};

template <class T>
__global__ void __launch_bounds__(kRowThreads) norm_kernel(NormCall<T> call) {
  const NormArgs<T>& a = call.args;
  const int64_t row = row_of_warp();
  if (row >= call.rows) return;
  const float* x = a.x + row * a.dim;
  float total = 0.0f, squares = 0.0f;
  for_eights(a.dim, [&](int64_t i, int n) {
    float v[kEight];
    load8(x + i, n, v);
#pragma unroll
    for (int j = 0; j < kEight; ++j) total += v[j];
  });
  const float mean = a.kind == NormKind::kLayer ? warp_sum(total) / float(a.dim) : 0.0f;
  for_eights(a.dim, [&](int64_t i, int n) {
    float v[kEight];
    load8(x + i, n, v);
#pragma unroll
    for (int j = 0; j < kEight; ++j) squares += j < n ? (v[j] - mean) * (v[j] - mean) : 0.0f;
  });
  const float scale = 1.0f / sqrtf(warp_sum(squares) / float(a.dim) + a.eps);
  for_eights(a.dim, [&](int64_t i, int n) {   // y_f32 may be x: a lane writes what only it reads
    float v[kEight], weight[kEight], bias[kEight];
    load8(x + i, n, v);
    if (a.weight) load8(a.weight + i, n, weight);
    if (a.bias) load8(a.bias + i, n, bias);
#pragma unroll
    for (int j = 0; j < kEight; ++j)
      v[j] = (v[j] - mean) * scale * (a.weight ? weight[j] : 1.0f) + (a.bias ? bias[j] : 0.0f);
    if (a.y_f32) store8(a.y_f32 + row * a.dim + i, n, v);
    if (a.y) store8(a.y + row * a.dim + i, n, v);
  });
}

template <class T>
struct HeadNormCall {
  HeadNormArgs<T> args;
  int64_t rows;   // times heads
};

template <class T>
__global__ void __launch_bounds__(kRowThreads) head_norm_kernel(HeadNormCall<T> call) {
  const HeadNormArgs<T>& a = call.args;
  const int64_t row = row_of_warp();
  if (row >= call.rows) return;
  T* x = a.x + row / a.heads * a.ldx + row % a.heads * a.dim;
  float squares = 0.0f;
  for_eights(a.dim, [&](int64_t i, int n) {
    float v[kEight];
    load8(x + i, n, v);
#pragma unroll
    for (int j = 0; j < kEight; ++j) squares += v[j] * v[j];
  });
  const float scale = 1.0f / sqrtf(warp_sum(squares) / float(a.dim) + a.eps);
  for_eights(a.dim, [&](int64_t i, int n) {
    float v[kEight], weight[kEight];
    load8(x + i, n, v);
    load8(a.weight + i, n, weight);
#pragma unroll
    for (int j = 0; j < kEight; ++j) v[j] *= scale * weight[j];
    store8(x + i, n, v);
  });
}

template <class T>
struct RopeCall {
  RopeArgs<T> args;
  int64_t rows;   // times heads
  int64_t positions;
};

template <class T>
__global__ void __launch_bounds__(kRowThreads) rope_kernel(RopeCall<T> call) {
  const RopeArgs<T>& a = call.args;
  const int64_t row = row_of_warp();
  if (row >= call.rows) return;
  const int64_t half = a.dims / 2, position = a.position_ids[row / a.heads];
  const bool known = position >= 0 && position < call.positions;
  const float* cosine = a.cos_sin + (known ? position : 0) * a.dims;
  T *first = a.x + row / a.heads * a.ldx + row % a.heads * a.head_dim, *second = first + half;
  for_eights(half, [&](int64_t i, int n) {
    float x[kEight], y[kEight], c[kEight], s[kEight];
    load8(first + i, n, x);
    load8(second + i, n, y);
    load8(cosine + i, n, c);
    load8(cosine + half + i, n, s);
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      const float before = x[j];
      x[j] = known ? before * c[j] - y[j] * s[j] : NAN;
      y[j] = known ? y[j] * c[j] + before * s[j] : NAN;
    }
    store8(first + i, n, x);
    store8(second + i, n, y);
  });
}

template <class T>
struct EmbedCall {
  EmbedArgs<T> args;
  int64_t rows, vocab, segments, positions;
};

template <class T>
__global__ void __launch_bounds__(kRowThreads) embed_kernel(EmbedCall<T> call) {
  const EmbedArgs<T>& a = call.args;
  const int64_t row = row_of_warp();
  if (row >= call.rows) return;
  const int64_t id = a.ids ? a.ids[row] : 0, segment = a.segments && a.segment_ids ? a.segment_ids[row] : 0;
  const int64_t position = a.positions ? a.position_ids[row] : 0;
  const auto is_in = [](int64_t i, int64_t count) { return i >= 0 && i < count; };
  const bool known = (!a.ids || is_in(id, call.vocab)) && (!a.segments || is_in(segment, call.segments)) &&
                     (!a.positions || is_in(position, call.positions));
  for_eights(a.dim, [&](int64_t i, int n) {
    float y[kEight], more[kEight];
#pragma unroll
    for (int j = 0; j < kEight; ++j) y[j] = NAN;
    if (known) {
      if (a.ids)
        load8(a.tokens + id * a.dim + i, n, y);
      else
        load8(a.x + row * a.dim + i, n, y);
      const float scale = a.ids ? a.scale : a.x_scale;
#pragma unroll
      for (int j = 0; j < kEight; ++j) y[j] *= scale;
      const auto add = [&](const float* from) {
        load8(from + i, n, more);
#pragma unroll
        for (int j = 0; j < kEight; ++j) y[j] += more[j];
      };
      if (a.segments) add(a.segments + segment * a.dim);
      if (a.positions) add(a.positions + position * a.dim);
    }
    store8(a.y + row * a.dim + i, n, y);
  });
}

}  // namespace

template <class T>
void fill_rows(CudaKernels<T>& k) {
  k.norm = [](CudaStream on, const NormArgs<T>& a, int64_t rows) {
    return launch(norm_kernel<T>, on, blocks_of_rows(rows), kRowThreads, 0, {a, rows});
  };
  k.head_norm = [](CudaStream on, const HeadNormArgs<T>& a, int64_t rows) {
    return launch(head_norm_kernel<T>, on, blocks_of_rows(rows * a.heads), kRowThreads, 0, {a, rows * a.heads});
  };
  k.rope = [](CudaStream on, const RopeArgs<T>& a, int64_t rows, int64_t positions) {
    return launch(rope_kernel<T>, on, blocks_of_rows(rows * a.heads), kRowThreads, 0, {a, rows * a.heads, positions});
  };
  k.embed = [](CudaStream on, const EmbedArgs<T>& a, int64_t rows, int64_t vocab, int64_t segments, int64_t positions) {
    return launch(embed_kernel<T>, on, blocks_of_rows(rows), kRowThreads, 0, {a, rows, vocab, segments, positions});
  };
}
template void fill_rows(CudaKernels<float>&);
template void fill_rows(CudaKernels<f16>&);
template void fill_rows(CudaKernels<bf16>&);

}  // namespace fastplm::cuda
