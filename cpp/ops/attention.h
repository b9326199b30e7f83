// Attention of packed queries to packed keys, without padding.
//   out[i] = sum_j softmax_j(cap(scale (q_i . k_j + q_i . K(j - i) + Q(j - i) . k_j + S(i, j))) + bias(j - i)) v_j,
// j over the keys of i's own sequence; K and Q of relative positions (arXiv:2006.03654), S of other segments
// (arXiv:1906.08237), 0 without any
#pragma once
#include "core/export.h"
#include "core/tensor.h"
#include "ops/keys.h"
#include "ops/sequences.h"

namespace fastplm::ops {

// Rows of a matrix that lie `ld` values apart.
struct Rows {
  void* data = nullptr;
  int64_t ld = 0;
};

// The keys and values of each sequence: rows [key tokens, kv_heads head_dim], or pages that hold them already.
struct Keys {
  Sequences sequences;
  Rows k, v;
  const PagedKeys* pages = nullptr;   // in place of k and v
};

// Keys and queries of relative positions, of each head: all heads have their own, and kv_heads is heads.
struct RelativePositions {
  int64_t count = 0;         // of positions; 0: there are none
  const void* keys = nullptr;   // for each head, a packed weight [count, head_dim] of dtype; or null: no K
  Rows queries;              // [count, heads head_dim] of dtype; or empty: no Q
  TensorView bias;           // [heads, count] f32: added to q_i . K; or empty
  TensorView place;  // [2 reach - 1] i32, in [0, count), not decreasing: at reach - 1 + index j - index i the
                     // position of key j for query i
  TensorView mirrored;   // the same, not increasing, for the sequences
  TensorView backward;   // [sequences] u8 where this is 1; both or none
};

// What a query adds to the scores of keys that are of another segment than it: S = q_i . key + bias.
struct OtherSegments {
  TensorView key, bias;   // [heads, head_dim], [heads] f32; or empty: no S
  TensorView of_queries, of_keys;   // [query tokens], [key tokens] i32
};

struct AttentionOptions {
  DType dtype = DType::kF32;
  int64_t heads = 1, kv_heads = 1, head_dim = 1;  // query head h reads key head h / (heads / kv_heads)
  double scale = 1.0;  // > 0
  double softcap = 0.0;  // > 0: cap(s) = softcap tanh(s / softcap); else cap(s) = s
  int64_t back = kFar, ahead = kFar;  // a token sees those at most this far before and behind it
  TensorView distance_bias;  // [heads, 2 reach - 1] f32: added at [head, reach - 1 + index j - index i]; or empty
  TensorView index;  // i32 of each key, increasing within a sequence: where it stands for back, ahead and
                     // distance_bias; empty: 0, 1, 2, ...
  TensorView at;  // [query tokens] i32, increasing within a sequence: where queries stand there; empty: as stated below
  TensorView mask;  // [query tokens, longest keys or more] u8: where 0, -2^126 is added; or empty
  RelativePositions relative;
  OtherSegments other;
};

//   q           [query tokens, heads head_dim] of dtype
//   queries     where their sequences begin; the last queries of a sequence stand where its last keys do
//   out         [query tokens, heads head_dim] of dtype
//   weights     f32, for each sequence in turn its probabilities [heads, queries, keys]; or null
//   workspace   a multiple of attention_workspace() bytes, 64-byte aligned: one share per thread at work
//
// A query's result depends on its own sequence's keys alone, and is the same from rows and from pages.
// Throws kValue, kType. Paper: arXiv:2205.14135 (blocks and running softmax).
FASTPLM_EXPORT void attention(Rows q, const Sequences& queries, const Keys& keys, const AttentionOptions& options,
                              Rows out, float* weights, TensorView workspace);

// Bytes for one thread, for sequences of up to `longest` keys and so many relative positions.
FASTPLM_EXPORT int64_t attention_workspace(DType dtype, int64_t head_dim, int64_t longest, int64_t positions = 0);

// Fills place [2 reach - 1] for distances -(reach - 1) to reach - 1 of key from query, farthest ahead last, of `count`
// positions whose middle is distance 0: one for each distance, or with buckets > 0, as DeBERTa-v2 buckets them, its own
// for those below buckets / 2, and shared ones up to max_distance. Beyond, the first and the last.
// Source: make_log_bucket_position of transformers' modeling_deberta_v2.py, in its f32 arithmetic.
FASTPLM_EXPORT void place_positions(int64_t count, int64_t buckets, int64_t max_distance, TensorView place);

// Fills distance_bias [heads, 2 reach - 1] for distances -(reach - 1) to reach - 1 from a table [buckets, heads]
// f32 of learned biases, as T5 buckets distances: in both directions, or all that lies ahead as distance 0.
// Source: T5Attention._relative_position_bucket of transformers, in its f32 arithmetic.
FASTPLM_EXPORT void bucket_bias(TensorView table, int64_t max_distance, bool both_ways, TensorView distance_bias);

}  // namespace fastplm::ops
