// _ops: stateless tensor functions. Contracts: cpp/ops/<op>.h.
#include "ops.h"
#include "core/parallel.h"
#include "define.h"
#include "errors.h"
#include "names.h"
#include "ops/attention.h"
#include "ops/convert.h"
#include "ops/dispatch.h"
#include "ops/embed.h"
#include "ops/glu.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/pool.h"
#include "ops/rope.h"
#include "ops/softmax.h"

NB_MODULE(_ops, m) {
  nb::register_exception_translator([](const std::exception_ptr& thrown, void*) { translate(thrown); });
  set_interrupt_check(signal_raised);
  bind_training(m);

  m.def("set_cuda_stream", &ops::set_cuda_stream, nb::arg("stream"));   // of this thread; 0: the default one

  define(m, "convert", &ops::convert, {"x", "y"});
  define(m, "softmax", &ops::softmax, {"x", "y"});
  define_everywhere(m, "norm",
                    +[](TensorView x, const std::string& kind, Maybe weight, Maybe bias, double eps, TensorView y) {
                      ops::norm(x, norm_kind(kind), weight, bias, eps, y);
                    },
                    {"x", "kind", "weight", "bias", "eps", "y"});
  define_everywhere(m, "head_norm", &ops::head_norm, {"x", "heads", "weight", "eps"});
  define_everywhere(m, "glu", +[](TensorView x, const std::string& name, TensorView y) { ops::glu(x, act(name), y); },
                    {"x", "act", "y"});
  define(m, "rope_table",
         +[](TensorView frequencies, double factor, TensorView table) {
           Check{"rope_table"}.matches("frequencies", frequencies, DType::kF32, {table.shape.last() / 2});
           ops::rope_table({frequencies.as<float>(), size_t(frequencies.shape.count())}, factor, 0, table);
         },
         {"frequencies", "factor", "table"});
  define_everywhere(m, "rope", &ops::rope, {"x", "heads", "head_dim", "table", "position_ids"});
  define(m, "pool",
         +[](TensorView x, TensorView cu_seqlens, const std::string& kind, bool normalize, TensorView y) {
           ops::pool(x, cu_seqlens, pool_kind(kind), normalize, y);
         },
         {"x", "cu_seqlens", "kind", "normalize", "y"});
  define_everywhere(m, "embed",
                    +[](TensorView tokens, Maybe segments, Maybe positions, double scale, Maybe ids, Maybe x,
                        Maybe segment_ids, Maybe position_ids, TensorView y) {
                      ops::embed({.tokens = tokens, .segments = segments, .positions = positions, .scale = scale}, ids,
                                 x, segment_ids, position_ids, y);
                    },
                    {"tokens", "segments", "positions", "scale", "ids", "x", "segment_ids", "position_ids", "y"});

  // A packed weight crosses as the u8 buffer it lies in, packed_bytes(format, n, k) long.
  define(m, "packed_bytes",
         +[](const std::string& format, int64_t n, int64_t k) {
           return ops::packed_bytes(weight_format("format", format), n, k);
         },
         {"format", "n", "k"});
  define(m, "pack",
         +[](TensorView w, bool transposed, const std::string& name, TensorView panels) {
           const Format format = weight_format("format", name);
           const int64_t n = w.shape[transposed ? 1 : 0], k = w.shape[transposed ? 0 : 1];
           if (panels.shape.count() < ops::packed_bytes(format, n, k))
             fail(ErrorKind::kValue, "pack: panels is too short");
           ops::pack(w, transposed, {panels.data, format, n, k});
         },
         {"w", "transposed", "format", "panels"});
  define(m, "linear",
         +[](TensorView a, const std::string& format, TensorView panels, Maybe bias, const std::string& name,
             Maybe residual, TensorView out) {
           const ops::PackedWeight w{panels.data, weight_format("format", format), out.shape.last(), a.shape.last()};
           if (panels.shape.count() < ops::packed_bytes(w.format, w.n, w.k))
             fail(ErrorKind::kValue, "linear: panels is too short");
           ops::linear(a, w, bias, act(name), residual, out);
         },
         {"a", "format", "panels", "bias", "act", "residual", "out"});

  define(m, "attention_workspace",
         +[](TensorView like, int64_t head_dim, int64_t longest, int64_t positions) {
           return ops::attention_workspace(like.dtype, head_dim, longest, positions);
         },
         {"like", "head_dim", "longest", "positions"});
  define(m, "place_positions", &ops::place_positions, {"count", "buckets", "max_distance", "place"});
  define(m, "bucket_bias", &ops::bucket_bias, {"table", "max_distance", "both_ways", "distance_bias"});
  // q [tokens, heads head_dim], k and v [key tokens, kv_heads head_dim]; cu_seqlens_k: None, as cu_seqlens; back,
  // ahead: below 0 for all. Of relative positions: position_keys u8, for each head a packed weight [positions,
  // head_dim]; position_queries [positions, heads head_dim]; place i32, and the others that ops::RelativePositions has;
  // other_key [heads, head_dim], with the others of ops::OtherSegments.
  define(m, "attention",
         +[](TensorView q, TensorView k, TensorView v, TensorView cu_seqlens, Maybe cu_seqlens_k, int64_t heads,
             int64_t kv_heads, double scale, double softcap, int64_t back, int64_t ahead, Maybe distance_bias,
             Maybe index, Maybe mask, Maybe position_keys, Maybe position_queries, Maybe place, Maybe position_bias,
             Maybe mirrored, Maybe backward, Maybe at, Maybe other_key, Maybe other_bias, Maybe segments,
             Maybe key_segments, TensorView out, Maybe weights, TensorView workspace) {
           const Check check{"attention"};
           check.rank("q", q, 2);
           check.rank("k", k, 2);
           const int64_t dim = out.shape.last() / std::max<int64_t>(1, heads);
           const Sequences queries = sequences_of("attention", cu_seqlens, q.shape[0]);
           const Sequences keys = cu_seqlens_k ? sequences_of("attention", cu_seqlens_k, k.shape[0]) : queries;
           check.shape("q", q, {queries.tokens(), heads * dim});
           check.matches("k", k, q.dtype, {keys.tokens(), kv_heads * dim});
           check.matches("v", v, q.dtype, k.shape);
           check.matches("out", out, q.dtype, q.shape);
           check.optional("index", index, DType::kI32, {keys.tokens()});
           int64_t pairs = 0;
           for (int64_t s = 0; s < std::min(queries.count, keys.count); ++s)
             pairs += queries.length(s) * keys.length(s);
           check.optional("weights", weights, DType::kF32, {heads * pairs});
           ops::RelativePositions relative;
           if (place) {
             check.rank("position_queries", position_queries, 2);
             const int64_t count = position_queries.shape[0];
             check.matches("position_queries", position_queries, q.dtype, {count, heads * dim});
             check.matches("position_keys", position_keys, DType::kU8,
                           {heads * ops::packed_bytes(format_of(q.dtype), count, dim)});
             relative = {.count = count,
                         .keys = position_keys.data,
                         .queries = {position_queries.data, heads * dim},
                         .bias = position_bias,
                         .place = place,
                         .mirrored = mirrored,
                         .backward = backward};
           }
           ops::attention({q.data, q.shape[1]}, queries, {keys, {k.data, k.shape[1]}, {v.data, v.shape[1]}},
                          {.dtype = q.dtype,
                           .heads = heads,
                           .kv_heads = kv_heads,
                           .head_dim = dim,
                           .scale = scale,
                           .softcap = softcap,
                           .back = back < 0 ? kFar : back,
                           .ahead = ahead < 0 ? kFar : ahead,
                           .distance_bias = distance_bias,
                           .index = index,
                           .at = at,
                           .mask = mask,
                           .relative = relative,
                           .other = {other_key, other_bias, segments, key_segments}},
                          {out.data, out.shape[1]}, weights.as<float>(), workspace);
         },
         {"q",
          "k",
          "v",
          "cu_seqlens",
          "cu_seqlens_k",
          "heads",
          "kv_heads",
          "scale",
          "softcap",
          "back",
          "ahead",
          "distance_bias",
          "index",
          "mask",
          "position_keys",
          "position_queries",
          "place",
          "position_bias",
          "mirrored",
          "backward",
          "at",
          "other_key",
          "other_bias",
          "segments",
          "key_segments",
          "out",
          "weights",
          "workspace"});
}
