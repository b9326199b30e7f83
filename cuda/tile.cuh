// Tiles of matrices in shared memory, and their products by warps.
#pragma once
#include "cuda/rows.cuh"

namespace fastplm::cuda {

// Values from one row of a tile to the next: 16 bytes more than the row, so that eight rows lie in different banks.
template <class T>
constexpr int pitch_of(int columns) {
  return columns + int(16 / sizeof(T));
}

// tile [kRows, kColumns] = the first rows and columns of `from`, whose rows are ld apart, and 0 beyond. In the
// background where memory is aligned: end_of_group() and wait_for_groups() are the caller's.
template <int kRows, int kColumns, int kThreads, class T>
__device__ void load_tile(T* tile, const T* from, int64_t ld, int64_t rows, int64_t columns) {
  constexpr int kPack = 16 / sizeof(T), kPacks = kColumns / kPack;
  for (int p = int(threadIdx.x); p < kRows * kPacks; p += kThreads) {
    const int r = p / kPacks, c = p % kPacks * kPack;
    T* const to = tile + r * pitch_of<T>(kColumns) + c;
    const T* const source = from + r * ld + c;
    if (r < rows && c + kPack <= columns && is_aligned(source)) {
      copy_in_background(to, source);
    } else {
#pragma unroll
      for (int i = 0; i < kPack; ++i) to[i] = r < rows && c + i < columns ? source[i] : T{};
    }
  }
}

// A warp's sums [16 kM, 8 kN]: lane t has the values place_of_sum() says.
template <int kM, int kN>
struct Sums {
  float v[kM][kN][4];

  __device__ void clear() {
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int e = 0; e < 4; ++e) v[m][n][e] = 0.0f;
  }

  // Calls body(row, column, values): two values of this lane that follow each other in a row.
  template <class Body>
  __device__ void for_pairs(Body body) {
    const int row = lane() / 4, column = lane() % 4 * 2;
#pragma unroll
    for (int m = 0; m < kM; ++m)
#pragma unroll
      for (int half = 0; half < 2; ++half)
#pragma unroll
        for (int n = 0; n < kN; ++n) body(m * 16 + half * 8 + row, n * 8 + column, &v[m][n][half * 2]);
  }
};

// sums += a b over kDepth. Element (m, k) of a is at a[m * a_pitch + k], or at a[k * a_pitch + m] if kATurned; element
// (k, n) of b at b[n * b_pitch + k], or at b[k * b_pitch + n] if kBTurned. All 32 lanes take part.
template <int kDepth, bool kATurned, bool kBTurned, int kM, int kN, class T>
__device__ void multiply(Sums<kM, kN>& sums, const T* a, int a_pitch, const T* b, int b_pitch) {
  if constexpr (sizeof(T) == 2) {
    static_assert(kDepth % 16 == 0 && kN % 2 == 0);
    const int matrix = lane() / 8, row = lane() % 8, first = matrix % 2 * 8, second = matrix / 2 * 8;
#pragma unroll
    for (int k = 0; k < kDepth; k += 16) {
      uint32_t left[kM][4];
#pragma unroll
      for (int m = 0; m < kM; ++m) {
        const T* at = kATurned ? a + (k + second + row) * a_pitch + m * 16 + first
                               : a + (m * 16 + first + row) * a_pitch + k + second;
        load_matrices(at, kATurned, left[m]);
      }
#pragma unroll
      for (int n = 0; n < kN; n += 2) {
        uint32_t right[4];
        const T* at = kBTurned ? b + (k + first + row) * b_pitch + n * 8 + second
                               : b + (n * 8 + second + row) * b_pitch + k + first;
        load_matrices(at, kBTurned, right);
#pragma unroll
        for (int m = 0; m < kM; ++m) {
          multiply_fragments<T>(sums.v[m][n], left[m], right[0], right[1]);
          multiply_fragments<T>(sums.v[m][n + 1], left[m], right[2], right[3]);
        }
      }
    }
  } else {
    const int row = lane() / 4, column = lane() % 4 * 2;
#pragma unroll 4
    for (int k = 0; k < kDepth; ++k) {
      float left[kM][2];
#pragma unroll
      for (int m = 0; m < kM; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int i = m * 16 + half * 8 + row;
          left[m][half] = kATurned ? a[k * a_pitch + i] : a[i * a_pitch + k];
        }
#pragma unroll
      for (int n = 0; n < kN; ++n)
#pragma unroll
        for (int c = 0; c < 2; ++c) {
          const int j = n * 8 + column + c;
          const float right = kBTurned ? b[k * b_pitch + j] : b[j * b_pitch + k];
#pragma unroll
          for (int m = 0; m < kM; ++m) {
            sums.v[m][n][c] += left[m][0] * right;
            sums.v[m][n][2 + c] += left[m][1] * right;
          }
        }
    }
  }
}

template <class T>
struct alignas(2 * sizeof(T)) Pair {
  T v[2];
};

// Stores the first n of two values; aligned: p is a multiple of two values.
template <class T>
__device__ void store_pair(T* p, int64_t n, bool aligned, const float (&v)[2]) {
  if (aligned && n >= 2) {
    *reinterpret_cast<Pair<T>*>(p) = {from_float<T>(v[0]), from_float<T>(v[1])};
  } else {
    if (n > 0) p[0] = from_float<T>(v[0]);
    if (n > 1) p[1] = from_float<T>(v[1]);
  }
}

}  // namespace fastplm::cuda
