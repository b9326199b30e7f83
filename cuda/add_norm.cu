// Dropout, residual and norm in one pass over a row, and their gradient; sums over rows. Contracts:
// cpp/ops/train/add_norm.h, gated.h.
#include "cuda/kernels.cuh"
#include "cuda/random.cuh"

namespace fastplm::cuda {
namespace {

template <class T>
struct AddNormCall {
  AddNormArgs<T> args;
  int64_t rows;
  const int64_t* seed;
};

template <class T>
__global__ void __launch_bounds__(kRowThreads) add_norm_kernel(AddNormCall<T> call) {
  const AddNormArgs<T>& a = call.args;
  const int64_t row = row_of_warp();
  if (row >= call.rows) return;
  const Dropout dropout = with_seed(a.dropout, call.seed);
  const int64_t at = row * a.dim;
  const T* s = a.sum ? a.sum + at : a.x + at;
  float total = 0.0f;
  for_eights(a.dim, [&](int64_t i, int n) {   // a lane reads again only what it wrote itself
    float x[kEight];
    load8(a.x + at + i, n, x);
    if (a.sum) {
      float keep[kEight], residual[kEight];
      keep_eight(dropout, row, i, keep);
      if (a.residual) load8(a.residual + at + i, n, residual);
#pragma unroll
      for (int j = 0; j < kEight; ++j) x[j] = stored<T>(x[j] * keep[j] + (a.residual ? residual[j] : 0.0f));
      store8(a.sum + at + i, n, x);
    }
#pragma unroll
    for (int j = 0; j < kEight; ++j) total += x[j];
  });
  const float mean = a.kind == NormKind::kLayer ? warp_sum(total) / float(a.dim) : 0.0f;
  float squares = 0.0f;
  for_eights(a.dim, [&](int64_t i, int n) {
    float x[kEight];
    load8(s + i, n, x);
#pragma unroll
    for (int j = 0; j < kEight; ++j) squares += j < n ? (x[j] - mean) * (x[j] - mean) : 0.0f;
  });
  const float scale = 1.0f / sqrtf(warp_sum(squares) / float(a.dim) + a.eps);
  if (lane() == 0) {
    a.stats[2 * row] = mean;
    a.stats[2 * row + 1] = scale;
  }
  for_eights(a.dim, [&](int64_t i, int n) {
    float x[kEight], weight[kEight], bias[kEight];
    load8(s + i, n, x);
    if (a.weight) load8(a.weight + i, n, weight);
    if (a.bias) load8(a.bias + i, n, bias);
#pragma unroll
    for (int j = 0; j < kEight; ++j)
      x[j] = (x[j] - mean) * scale * (a.weight ? weight[j] : 1.0f) + (a.bias ? bias[j] : 0.0f);
    store8(a.y + at + i, n, x);
  });
}

template <class T>
struct AddNormGradCall {
  AddNormGradArgs<T> args;
  int64_t rows;
  const int64_t* seed;
};

// With n = (s - mean) scale and g = dy weight: ds = scale (g - mean(g) - n mean(g n)), without mean(g) for RMSNorm.
template <class T>
__global__ void __launch_bounds__(kRowThreads) add_norm_grad_kernel(AddNormGradCall<T> call) {
  const AddNormGradArgs<T>& a = call.args;
  const int64_t row = row_of_warp();
  if (row >= call.rows) return;
  const Dropout dropout = with_seed(a.dropout, call.seed);
  const int64_t at = row * a.dim;
  const float mean = a.stats[2 * row], scale = a.stats[2 * row + 1];
  const auto load_both = [&](int64_t i, int n, float (&g)[kEight], float (&normal)[kEight]) {
    float weight[kEight];
    load8(a.dy + at + i, n, g);
    load8(a.sum + at + i, n, normal);
    if (a.weight) load8(a.weight + i, n, weight);
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      g[j] *= a.weight ? weight[j] : 1.0f;
      normal[j] = (normal[j] - mean) * scale;
    }
  };
  float of_g = 0.0f, of_gn = 0.0f;
  for_eights(a.dim, [&](int64_t i, int n) {
    float g[kEight], normal[kEight];   // g is 0 beyond the row
    load_both(i, n, g, normal);
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      of_g += g[j];
      of_gn += g[j] * normal[j];
    }
  });
  const float first = a.kind == NormKind::kLayer ? warp_sum(of_g) / float(a.dim) : 0.0f;
  const float second = warp_sum(of_gn) / float(a.dim);
  for_eights(a.dim, [&](int64_t i, int n) {
    float g[kEight], normal[kEight], more[kEight], keep[kEight];
    load_both(i, n, g, normal);
    if (a.dsum) load8(a.dsum + at + i, n, more);
    keep_eight(dropout, row, i, keep);
#pragma unroll
    for (int j = 0; j < kEight; ++j) {
      g[j] = scale * (g[j] - first - normal[j] * second) + (a.dsum ? more[j] : 0.0f);
      keep[j] *= g[j];
    }
    store8(a.dresidual + at + i, n, g);
    if (a.dx) store8(a.dx + at + i, n, keep);
  });
}

// A block of threads has as many columns, of some rows: parts[block of rows][0 or 1][column] are the sums of dy n and
// dy.
template <class T>
struct VectorGradCall {
  const T *dy, *sum;
  const float* stats;
  int64_t dim;
  RowCut rows;
  bool weight, bias;
  float* parts;
};

constexpr int kColumnThreads = 128;

template <class T>
__global__ void __launch_bounds__(kColumnThreads) vector_grad_kernel(VectorGradCall<T> a) {
  const int64_t column = int64_t(blockIdx.x) * kColumnThreads + threadIdx.x, block = blockIdx.y;
  if (column >= a.dim) return;
  const int64_t begin = block * a.rows.size, last = begin + a.rows.size, end = last < a.rows.rows ? last : a.rows.rows;
  float of_weight = 0.0f, of_bias = 0.0f;
#pragma unroll 4
  for (int64_t row = begin; row < end; ++row) {
    const float dy = to_float(a.dy[row * a.dim + column]);
    of_bias += dy;
    if (a.weight) {
      const float normal = (to_float(a.sum[row * a.dim + column]) - a.stats[2 * row]) * a.stats[2 * row + 1];
      of_weight += dy * normal;
    }
  }
  float* const parts = a.parts + block * 2 * a.dim + column;
  if (a.weight) parts[0] = of_weight;
  if (a.bias) parts[a.dim] = of_bias;
}

template <class T>
struct ColumnSumsCall {
  const T* x;
  int64_t dim;
  RowCut rows;
  float* parts;
};

template <class T>
__global__ void __launch_bounds__(kColumnThreads) column_sums_kernel(ColumnSumsCall<T> a) {
  const int64_t column = int64_t(blockIdx.x) * kColumnThreads + threadIdx.x, block = blockIdx.y;
  if (column >= a.dim) return;
  const int64_t begin = block * a.rows.size, last = begin + a.rows.size, end = last < a.rows.rows ? last : a.rows.rows;
  float sum = 0.0f;
#pragma unroll 8
  for (int64_t row = begin; row < end; ++row) sum += to_float(a.x[row * a.dim + column]);
  a.parts[block * a.dim + column] = sum;
}

struct AddPartsCall {   // out[column] = the sum over blocks of parts[block * stride + column]
  const float* parts;
  int64_t stride, dim, blocks;
  float* out;
};

__global__ void __launch_bounds__(kColumnThreads) add_parts_kernel(AddPartsCall a) {
  const int64_t column = int64_t(blockIdx.x) * kColumnThreads + threadIdx.x;
  if (column >= a.dim) return;
  float sum = 0.0f;
  for (int64_t block = 0; block < a.blocks; ++block) sum += a.parts[block * a.stride + column];
  a.out[column] = sum;
}

dim3 blocks_of_columns(int64_t dim, int64_t rows = 1) {
  return dim3(unsigned((dim + kColumnThreads - 1) / kColumnThreads), unsigned(rows));
}

int add_parts(CudaStream on, const float* parts, int64_t stride, int64_t dim, int64_t blocks, float* out) {
  return launch(add_parts_kernel, on, blocks_of_columns(dim), kColumnThreads, 0, {parts, stride, dim, blocks, out});
}

template <class T>
int add_norm_grad(CudaStream on, const AddNormGradArgs<T>& a, RowCut rows, const int64_t* seed, float* dweight,
                  float* dbias, float* parts) {
  int error = launch(add_norm_grad_kernel<T>, on, blocks_of_rows(rows.rows), kRowThreads, 0, {a, rows.rows, seed});
  if (error || !(dweight || dbias)) return error;
  const VectorGradCall<T> call{a.dy, a.sum, a.stats, a.dim, rows, dweight != nullptr, dbias != nullptr, parts};
  error = launch(vector_grad_kernel<T>, on, blocks_of_columns(a.dim, rows.count), kColumnThreads, 0, call);
  if (!error && dweight) error = add_parts(on, parts, 2 * a.dim, a.dim, rows.count, dweight);
  if (!error && dbias) error = add_parts(on, parts + a.dim, 2 * a.dim, a.dim, rows.count, dbias);
  return error;
}

template <class T>
int column_sums(CudaStream on, const T* x, int64_t dim, RowCut rows, float* sums, float* parts) {
  const ColumnSumsCall<T> call{x, dim, rows, parts};
  const int error = launch(column_sums_kernel<T>, on, blocks_of_columns(dim, rows.count), kColumnThreads, 0, call);
  return error ? error : add_parts(on, parts, dim, dim, rows.count, sums);
}

}  // namespace

template <class T>
void fill_add_norm(CudaKernels<T>& k) {
  k.add_norm = [](CudaStream on, const AddNormArgs<T>& a, int64_t rows, const int64_t* seed) {
    return launch(add_norm_kernel<T>, on, blocks_of_rows(rows), kRowThreads, 0, {a, rows, seed});
  };
  k.add_norm_grad = add_norm_grad<T>;
  k.column_sums = column_sums<T>;
}
template void fill_add_norm(CudaKernels<float>&);
template void fill_add_norm(CudaKernels<f16>&);
template void fill_add_norm(CudaKernels<bf16>&);

}  // namespace fastplm::cuda
