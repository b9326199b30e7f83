// Arguments of the kernels that train: as args.h, whose rules hold here too. The contracts are cpp/ops/train/<op>.h.
#pragma once
#include "kernels/args.h"

namespace fastplm {

// Which elements of a [rows, dim] tensor dropout keeps: a function of (seed, row, column) alone, so neither threads nor
// vectors change it, and the backward pass makes the same choice without a stored mask. See random.inl.h.
struct Dropout {
  uint32_t key[2], offset[2];
  float threshold;          // of 2^16 values; 0: nothing is dropped
  float scale;              // of what is kept
  explicit operator bool() const { return threshold > 0; }
};

template <class T>
struct AddNormArgs {        // s = dropout(x) + residual;  y = norm(s) * weight + bias
  const T* x;               // [rows, dim]
  const T* residual;        // [rows, dim] or null
  const float* weight;      // [dim] or null
  const float* bias;        // [dim] or null
  Dropout dropout;
  int64_t dim;
  float eps;
  NormKind kind;
  T* sum;                   // [rows, dim]: s; null if it is x
  T* y;                     // [rows, dim]
  float* stats;             // [rows, 2]: mean and 1 / deviation
};

template <class T>
struct AddNormGradArgs {
  const T* dy;              // [rows, dim]
  const T* dsum;            // [rows, dim]: gradient that reaches s by another way, or null
  const T* sum;             // [rows, dim]
  const float* stats;       // [rows, 2]
  const float* weight;      // [dim] or null
  Dropout dropout;
  int64_t dim;
  NormKind kind;
  T* dx;                    // [rows, dim], or null where it would be dresidual
  T* dresidual;             // [rows, dim]
};

template <class T>
struct GatedArgs {          // y = dropout(act(x) * up)
  const T* x;               // [rows, dim]
  const T* up;              // [rows, dim] or null: 1
  Dropout dropout;
  int64_t dim;
  Act act;
  T* y;                     // [rows, dim]
};

template <class T>
struct GatedGradArgs {
  const T* dy;              // [rows, dim]
  const T *x, *up;          // as in GatedArgs
  Dropout dropout;
  int64_t dim;
  Act act;
  T* dx;                    // [rows, dim]
  T* dup;                   // [rows, dim], or null without up
};

// act(a b + add + bias). Element (i, k) of a is a[i * a_row + k * a_depth], element (k, j) of b is
// b[k * b_depth + j * b_column]; of the two strides of each, one is 1.
template <class T>
struct ProductArgs {
  const T* a;
  int64_t a_row, a_depth;
  const T* b;
  int64_t b_column, b_depth;
  int64_t n, k;
  const float* add;         // [m, n] or null; may be out_f32
  const float* bias;        // [n] or null
  Act act;
  T* before;                // [m, n] or null: what act is applied to
  float* out_f32;           // [m, n]; or null, and then
  T* out;                   // [m, n]
  int64_t ldo;              // from one row of add, before and out to the next
  void* panels;             // product_panels(n, k) bytes: b, packed; 64-byte aligned
  void* workspace;          // product_workspace(rows, k) bytes, one for each thread; 64-byte aligned
};

template <class T>
struct LossArgs {
  const T* logits;          // [rows, vocab]
  int64_t vocab;
  const int64_t* labels;    // [rows]: 0 to vocab - 1, or
  int64_t ignored;
  float smoothing, z;
  float* losses;            // [rows]
  float* lse;               // [rows]: log of the sum of exp(logits)
};

template <class T>
struct LossGradArgs {
  const T* logits;          // [rows, vocab]
  int64_t vocab;
  const int64_t* labels;    // [rows], as in LossArgs
  int64_t ignored;
  float smoothing, z;
  const float* lse;         // [rows]
  const float* dlosses;     // [rows]
  T* grad;                  // [rows, vocab]; may be logits
};

// Some heads of queries over the one head of keys and values that they share, of one sequence.
template <class T>
struct FlashArgs {
  const T* q;               // [queries, group head_dim], rows ldq apart
  const T *k, *v;           // [keys, head_dim], rows ldk apart
  int64_t ldq, ldk, queries, keys, head_dim, group;
  float scale;
  int64_t back, ahead;      // as in AttentionArgs; query i stands where key keys - queries + i does
  const float* bias;        // of the first query's score of the first key, in the first head; keys follow; or null
  int64_t bias_head, bias_row;   // to the next head's, and the next query's
  Dropout dropout;          // of probabilities: row = that of lse in [rows, 1]
  int64_t row, row_step;    // of the first query in lse, and to the next one's; heads follow each other
  T* out;                   // [queries, group head_dim], rows ldq apart
  float* lse;               // at row: log of the sum of exp(scores); -inf if nothing is seen
  void* workspace;          // flash_workspace(head_dim, keys) bytes, 64-byte aligned
};

template <class T>
struct FlashGradArgs {
  FlashArgs<T> forward;     // out and lse as they were written
  const T* dout;            // as out
  T* dq;                    // as q
  T *dk, *dv;               // as k and v
  float* dbias;             // as bias, added to; or null
};

template <class T>
struct RotaryArgs {         // of each head, (a, b) becomes (a cosine - b sine, b cosine + a sine)
  const T* x;               // [rows, heads, head_dim]
  const float *cosine, *sine;   // [rows, pairs]
  int64_t heads, head_dim, pairs;
  bool interleaved;         // pairs are (2 i, 2 i + 1); else (i, i + pairs)
  bool backwards;           // by the negative angle
  T* y;                     // as x
};

constexpr int kEmbedTables = 3;

template <class T>
struct GatherArgs {         // sum[r] = sum over tables of table[ids[r]]
  const T* tables[kEmbedTables];      // [.., dim]; from the second on or null
  const int64_t* ids[kEmbedTables];   // [rows] or null: all 0
  int64_t dim;
  T* sum;                   // [rows, dim]
};

template <class P, class S>
struct AdamWArgs {          // m, v of beta1, beta2;  p = p decay - step_size m / (sqrt(v) root_factor + eps)
  P* param;
  const P* grad;            // taken times grad_scale
  S *mean, *square;         // m, v
  float* master;            // p in f32, of which param is a rounded copy; or null
  float rest1, rest2;       // 1 - beta1 and 1 - beta2, from f64: 1 - float(0.999) is wrong in its fifth digit
  float decay, beta1, beta2, step_size, root_factor, eps, grad_scale;
};

template <class T>
struct AdafactorArgs {      // one matrix of a parameter, or a vector as one row
  T* param;                 // [rows, columns]
  const T* grad;            // [rows, columns]
  T* row_var;               // [rows]: mean squares of rows; null for a vector
  T* col_var;               // [columns]: mean squares of columns; squares of a vector
  int64_t columns;
  float mean_square;        // of row_var, at least eps1
  float least;              // of a mean square: eps1^2
  float beta2, rest2;       // rest2: 1 - beta2, from f64
  float decay, step_size;   // p = p decay - step_size update
};

}  // namespace fastplm
