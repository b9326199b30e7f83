// Arguments of the kernels: plain structs, shared by the CPU tables and CUDA. The contract of each is the
// header of its op in cpp/ops. A kernel works on the part of the output that its ranges name, so that the
// op can share one call out among threads.
#pragma once
#include <cstdint>

#include "core/dtype.h"
#include "core/words.h"

namespace fastplm {

enum class Act : uint8_t {
  kNone,
  kRelu,
  kGeluErf,
  kGeluTanh,
  kSilu,
  kTanh,
  // rarer, and a little slower: rare_act in math.inl.h
  kGelu10,
  kHardSwish,
  kLaplace,
  kLeakyRelu,
  kMish,
  kQuickGelu,
  kRelu2,
  kRelu6,
  kSigmoid
};
enum class NormKind : uint8_t { kLayer, kRms };
enum class PoolKind : uint8_t { kMean, kCls, kMax, kMeanSqrtLength, kLast };

struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// Element (n, k) of a matrix to pack is source[n * stride_n + k * stride_k]; one of the strides is 1.
template <class From, class T>
struct PackArgs {
  const From* source;
  int64_t stride_n, stride_k;
  int64_t n, k;
  T* panels;
};

template <class T>
struct GemmArgs {           // out = act(a b^T + bias) + residual
  const T* a;               // [m, k], rows lda apart
  int64_t lda;
  const T* panels;          // b [n, k], packed
  int64_t n, k;
  const float* bias;        // [n] or null
  Act act;
  const float* residual;    // [m, n], rows ldo apart, or null; may be out_f32
  float* out_f32;           // [m, n], rows ldo apart; or null, and then
  T* out;                   // [m, n], rows ldo apart
  int64_t ldo;
  void* workspace;          // gemm_workspace(rows, k) bytes, 64-byte aligned; one for each thread
};

template <class T>
struct NormArgs {
  const float* x;           // [rows, dim]
  const float* weight;      // [dim] or null
  const float* bias;        // [dim] or null
  int64_t dim;
  float eps;
  NormKind kind;
  float* y_f32;             // [rows, dim] or null; may be x
  T* y;                     // [rows, dim] or null
};

template <class T>
struct EmbedArgs {          // y = tokens[ids] (or x) + segments[segment_ids] + positions[position_ids]
  const T* tokens;          // [vocab, dim]
  const float* segments;    // [segments, dim] or null
  const float* positions;   // [positions, dim] or null
  const int32_t* ids;       // [rows], or null: the rows of x instead
  const float* x;           // [rows, dim]
  const int32_t* segment_ids;    // [rows] or null: segment 0
  const int32_t* position_ids;   // [rows]
  int64_t dim;
  float scale;              // of the token's row
  float* y;                 // [rows, dim]
};

template <class T>
struct GluArgs {            // y = act(x[:, :dim]) * x[:, dim:]
  const T* x;               // [rows, 2 dim]
  int64_t dim;
  Act act;
  T* y;                     // [rows, dim]
};

template <class T>
struct RopeArgs {           // rotates the two halves of each head, in place
  T* x;                     // [rows, heads * head_dim], rows ldx apart
  int64_t ldx, heads, head_dim;
  const float* cos_sin;     // [positions, head_dim]: cosines, then sines, of head_dim / 2 frequencies
  const int32_t* position_ids;   // [rows]
};

template <class T>
struct AttentionArgs {      // one head of one sequence; rows are the sequence's tokens
  const T *q, *k, *v;       // [length, head_dim], rows ld apart
  int64_t ld;
  int64_t length, head_dim;
  float scale;
  int64_t window;           // a token sees those at most this far away; < 0: all
  const float* distance_bias;    // added to the score of (query i, key j) at [index j - index i], or null
  const int32_t* index;     // [length], increasing: where tokens stand in the padded row; null: 0, 1, 2, ...
  const uint8_t* mask;      // [length, mask_ld], 0: add the lowest float to the score; or null
  int64_t mask_ld;
  T* out;                   // [length, head_dim], rows ldo apart
  int64_t ldo;
  float* weights;           // [length, weights_ld] attention probabilities, or null
  int64_t weights_ld;
  void* workspace;          // attention_workspace(head_dim, length) bytes, 64-byte aligned
};

struct PoolArgs {
  const float* x;           // [length, dim]
  int64_t length, dim;
  PoolKind kind;
  bool normalize;           // divide by max(L2 norm, 1e-12)
  float* y;                 // [dim]
};

struct SoftmaxArgs {
  const float* x;           // [rows, dim]
  int64_t dim;
  float* y;                 // [rows, dim], may be x
};

struct AsciiClasses {   // of 64 bytes, a bit for each, the first byte's the lowest
  uint64_t space;           // ' '
  uint64_t white;           // \t \n \v \f \r
  uint64_t line_break;      // \n \r
  uint64_t letter, lower;   // A-Z a-z, a-z
  uint64_t digit;
  uint64_t sign;            // the other visible ones, among them
  uint64_t apostrophe;
  uint64_t beyond;          // no ASCII
};

constexpr int kMostWords = 64;   // in one call
struct WordsArgs {
  const char* text;
  const uint32_t* bounds;   // [count + 1], word i is text[bounds[i] .. bounds[i + 1])
  int count;                // 1 to kMostWords
  const char* end;          // of what may be read
  const TokenLine* lines;
  uint64_t line_count;      // below 2^32
  WordKey* keys;            // [count], of the first 15 bytes of each
  int32_t* ids;             // [count], anything for those that are not known
};

}  // namespace fastplm
