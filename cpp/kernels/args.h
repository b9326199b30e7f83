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

// How the weights of a matrix are held: a row of the table Kernels::formats, a file of kernels/format.
// kInt4Of64 and the like: with a scale for 64 values of a row, else for 32; with zeros, else zero is 8.
enum class Format : uint8_t {
  kF32,
  kBF16,
  kInt8,
  kInt4,
  kInt4Of64,
  kInt4Of128,
  kInt4Zeros,
  kInt4ZerosOf64,
  kInt4ZerosOf128
};
constexpr int kFormats = 9;

// Element (n, k) of a matrix to pack is source[n * stride_n + k * stride_k]; one of the strides is 1. With rows,
// it is rows[n][k] instead: rows that lie in several places, or in another order.
template <class From>
struct PackArgs {
  const From* source;
  int64_t stride_n, stride_k;
  int64_t n, k;
  void* panels;             // of the format
  const From* const* rows = nullptr;
  // Of formats that round to integers: what rows and columns are multiplied by before; [n], [k] or null.
  const float* row_factors = nullptr;
  const float* column_factors = nullptr;
};

// A matrix of integers as checkpoints store it: of row n, codes[n], scales[n] and zeros[n] (CodeLayout). Panels are
// made of it, or it of panels.
struct CodesArgs {
  void* const* codes;
  void* const* scales;
  void* const* zeros;       // or null
  int64_t n, k;
  void* panels;             // of the format
};

// How the rows of a format are stored as integers.
struct CodeLayout {
  int bits = 0;             // of a code: 8, with a sign; 4, the first of two in the low half of a byte; 0: none
  int64_t group = 0;        // values that share a scale; 0: the whole row
  bool zeros = false;       // a byte for each group, the code of 0
  DType scale = DType::kF32;
};

struct GemmArgs {           // out = act(a b^T + bias) + residual
  const void* a;            // [m, k] of the format's activation type, rows lda values apart
  int64_t lda;
  const void* panels;       // b [n, k], packed
  int64_t n, k;
  const float* bias;        // [n] or null
  Act act;
  const float* residual;    // [m, n], rows ldo apart, or null; may be out_f32
  float* out_f32;           // [m, n], rows ldo apart; or null, and then
  void* out;                // [m, n] of the activation type, rows ldo apart
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
struct HeadNormArgs {       // RMSNorm of each head, in place
  T* x;                     // [rows, heads * dim], rows ldx apart
  int64_t ldx, heads, dim;
  const float* weight;      // [dim]
  float eps;
};

template <class T>
struct EmbedArgs {  // y = tokens[ids] * scale (or x * x_scale) + segments[segment_ids] + positions[position_ids]
  const T* tokens;  // [vocab, dim], or null, and then
  const T* panels;  // the same, packed
  const float* segments;  // [segments, dim] or null
  const float* positions;  // [positions, dim] or null
  const int32_t* ids;  // [rows], or null: the rows of x instead
  const float* x;  // [rows, dim]
  const int32_t* segment_ids;  // [rows] or null: segment 0
  const int32_t* position_ids;  // [rows]
  int64_t dim;
  float scale;  // of the token's row
  float x_scale;
  float* y;  // [rows, dim]
};

template <class T>
struct GluArgs {  // y = act(x[:, :dim]) * x[:, dim:]
  const T* x;  // [rows, 2 dim]
  int64_t dim;
  Act act;
  T* y;  // [rows, dim]
};

template <class T>
struct RopeArgs {  // rotates the two halves of the first `dims` values of each head, in place
  T* x;  // [rows, heads * head_dim], rows ldx apart
  int64_t ldx, heads, head_dim, dims;
  const float* cos_sin;  // [positions, dims]: cosines, then sines, of dims / 2 frequencies
  const int32_t* position_ids;  // [rows]
};

// The keys and values of one head of one sequence, in the panels that attention multiplies with: of a page's keys
// [rows, head_dim], then of its values transposed, [head_dim, rows].
template <class T>
struct KeyPages {
  T* const* pages;  // page p holds the keys p * rows to (p + 1) * rows - 1
  int64_t rows;  // of a page: divides kKeyBlock, or one page holds all; a multiple of the panel
  int64_t keys_at, values_at;  // where the head's panels begin in each page
  int64_t head_dim;
};

template <class T>
struct CodesOfRowsArgs {  // rows of keys or values as int8 codes, each row with a scale: x = scale * code
  T* x;  // [count, dim], rows ld apart
  int64_t ld, count, dim;
  int8_t* codes;  // [count, dim]
  float* scales;  // [count]
};

template <class T>
struct WriteKeysArgs {  // puts rows of keys and values behind those that are there
  const T *k, *v;  // [count, head_dim], rows ld apart
  int64_t ld, count;
  int64_t at;  // how many are there
  bool last;  // memory behind the rows may hold anything: clear what attention will read of it
  KeyPages<T> to;
};

// A query's sums over keys are cut at multiples of this, whatever else is computed: so they do not depend on it. A
// multiple of every table's panel.
constexpr int64_t kKeyBlock = 576;

constexpr int64_t kFar = int64_t(1) << 62;  // sees everything on that side

template <class T>
struct AttentionArgs {  // some rows of queries over the keys of one sequence
  const T* q;  // [count, head_dim], rows ldq apart
  int64_t ldq, count;
  KeyPages<T> keys;
  int64_t length;  // keys
  // Query r stands where key first + r * step does: rows are successive tokens (1), or heads of one token (0).
  int64_t first, step;
  float scale;
  float softcap;  // > 0: scaled scores become softcap tanh(score / softcap)
  int64_t back, ahead;  // a token sees those at most this far before and behind it; kFar: all
  const float* distance_bias;  // added to the score of (query i, key j) at [index j - index i], or null
  int64_t bias_step;  // from one query's distance_bias to the next one's
  // Added to q_i . k_j, both of row place[index j - index i], which does not decrease: q_i times that position's key,
  // and that position's query times k_j.
  const int32_t* place;  // or null, and then neither is used
  const T* position_keys;  // [positions, head_dim] packed as a weight is, or null
  const T* position_queries;  // [positions, head_dim], rows position_ld apart, or null
  const float* position_bias;  // [positions], added to what a query makes of that position's key; or null
  int64_t positions, position_ld;
  // Added where segments[i] is not key_segments[j]: q_i . other + other_bias.
  const float* other;  // [head_dim], or null, and then none of these is used
  float other_bias;
  const int32_t *segments, *key_segments;  // [count], [length]
  const int32_t* index;  // [length], increasing: where keys stand in the padded row; null: 0, 1, 2, ...
  const int32_t*
      at;  // [count], increasing: where queries stand there; null: where the keys first, first + step, ... do
  const uint8_t* mask;  // [count, mask_ld], 0: add the lowest float to the score; or null
  int64_t mask_ld;
  T* out;  // [count, head_dim], rows ldo apart
  int64_t ldo;
  float* weights;  // [count, weights_ld] attention probabilities, or null
  int64_t weights_ld;
  void* workspace;  // attention_workspace(head_dim, length, positions) bytes, 64-byte aligned
};

struct PoolArgs {
  const float* x;  // [length, dim]
  int64_t length, dim;
  PoolKind kind;
  bool normalize;  // divide by max(L2 norm, 1e-12)
  float* y;  // [dim]
};

struct SoftmaxArgs {
  const float* x;  // [rows, dim]
  int64_t dim;
  float* y;  // [rows, dim], may be x
};

struct AsciiClasses {  // of 64 bytes, a bit for each, the first byte's the lowest
  uint64_t space;  // ' '
  uint64_t white;  // \t \n \v \f \r
  uint64_t line_break;  // \n \r
  uint64_t letter, lower;  // A-Z a-z, a-z
  uint64_t digit;
  uint64_t sign;  // the other visible ones, among them
  uint64_t apostrophe;
  uint64_t beyond;  // no ASCII
};

constexpr int kMaxWords = 64;  // in one call
struct WordsArgs {
  const char* text;
  const uint32_t* bounds;  // [count + 1], word i is text[bounds[i] .. bounds[i + 1])
  int count;  // 1 to kMaxWords
  const char* end;  // of what may be read
  const TokenLine* lines;
  uint64_t line_count;  // below 2^32
  WordKey* keys;  // [count], of the first 15 bytes of each
  int32_t* ids;  // [count], anything for those that are not known
};

}  // namespace fastplm
