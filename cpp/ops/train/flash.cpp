#include "ops/train/flash.h"

#include <atomic>

#include "core/buffer.h"
#include "kernels/train.h"
#include "ops/dispatch.h"
#include "ops/rows.h"
#include "ops/train/dropout.h"

namespace fastplm::ops {
namespace {

struct FlashShape {
  int64_t heads, kv_heads, head_dim;
  int64_t reach;   // of a bias of distances; else 0
};

FlashShape checked_shape(const Check& check, TensorView q, TensorView k, TensorView v, int64_t query_tokens,
                         int64_t key_tokens, TensorView bias, const Flash& o, TensorView out, TensorView lse) {
  check.rank("q", q, 3);
  check.rank("k", k, 3);
  FlashShape s{q.shape[1], k.shape[1], q.shape[2], 0};
  check.shape("q", q, {query_tokens, s.heads, s.head_dim});
  check.matches("k", k, q.dtype, {key_tokens, s.kv_heads, s.head_dim});
  check.matches("v", v, q.dtype, k.shape);
  check.matches("out", out, q.dtype, q.shape);
  check.matches("lse", lse, DType::kF32, {query_tokens, s.heads});
  check.positive("scale", o.scale);
  if (s.kv_heads < 1 || s.heads % s.kv_heads) {
    fail(ErrorKind::kValue, check.op, ": ", s.heads, " heads over ", s.kv_heads,
         " key heads; expected the same number for each");
  }
  if (bias && bias.shape.rank != 4) {
    s.reach = (bias.shape.last() + 1) / 2;
    check.matches("bias", bias, DType::kF32, {s.heads, 2 * s.reach - 1});
  }
  return s;
}

// What both passes check and share.
struct Call {
  Check check;
  TensorView q, k, bias;
  const Sequences &queries, &keys;
  const Flash& o;
  Dropout dropout;
  int64_t heads = 0, kv_heads = 0, head_dim = 0, reach = 0;
  int64_t bias_sequence = 0, bias_head = 0, bias_row = 0;   // from one to the next in bias

  Call(const char* op, TensorView q_, TensorView k_, TensorView v, const Sequences& queries_, const Sequences& keys_,
       TensorView bias_, const Flash& options, TensorView out, TensorView lse)
      : check{op}, q(q_), k(k_), bias(bias_), queries(queries_), keys(keys_), o(options) {
    const FlashShape shape = checked_shape(check, q, k, v, queries.tokens(), keys.tokens(), bias, o, out, lse);
    heads = shape.heads;
    kv_heads = shape.kv_heads;
    head_dim = shape.head_dim;
    reach = shape.reach;
    if (queries.count != keys.count) {
      fail(ErrorKind::kValue, op, ": ", queries.count, " sequences of queries, ", keys.count,
           " of keys; expected the same");
    }
    dropout = dropout_of(check, o.seed, o.p);
    if (bias) lay_out_bias();
  }

  void lay_out_bias() {
    if (bias.shape.rank == 4) {
      const int64_t rows = bias.shape[2], columns = bias.shape[3];
      const bool fits = rows >= queries.longest && columns >= keys.longest;
      if (!fits || (bias.shape[0] != 1 && bias.shape[0] != queries.count) ||
          (bias.shape[1] != 1 && bias.shape[1] != heads)) {
        fail(ErrorKind::kValue, check.op, ": bias has shape ", bias.shape, "; expected [1 or ", queries.count,
             ", 1 or ", heads, ", ", queries.longest, ", ", keys.longest, "], the last two or more");
      }
      check.dtype("bias", bias, DType::kF32);
      bias_row = columns;
      bias_head = bias.shape[1] > 1 ? rows * columns : 0;
      bias_sequence = bias.shape[0] > 1 ? bias.shape[1] * rows * columns : 0;
      return;
    }
    bias_row = -1;   // the next query stands one further
    bias_head = 2 * reach - 1;
    for (int64_t s = 0; s < keys.count; ++s) {   // of the last query to the first key, or the other way round
      const int64_t distance = std::max(keys.length(s), queries.length(s)) - 1;
      if (distance < reach) continue;
      fail(ErrorKind::kValue, check.op, ": sequence ", s, " spans a distance of ", distance, "; bias reaches ",
           reach - 1);
    }
  }

  // Where in bias the first query's score of the first key is.
  int64_t bias_at(int64_t s, int64_t head) const {
    const int64_t first = reach ? reach - 1 - (keys.length(s) - queries.length(s)) : 0;
    return s * bias_sequence + head * bias_head + first;
  }

  template <class T>
  FlashArgs<T> args(int64_t s, int64_t kv_head, TensorView v, TensorView out, TensorView lse, void* workspace) const {
    const int64_t group = heads / kv_heads, head = kv_head * group, first = queries.start[s];
    const int64_t key = (keys.start[s] * kv_heads + kv_head) * head_dim;
    return {.q = q.as<T>() + offset(s, kv_head),
            .k = k.as<T>() + key,
            .v = v.as<T>() + key,
            .ldq = heads * head_dim,
            .ldk = kv_heads * head_dim,
            .queries = queries.length(s),
            .keys = keys.length(s),
            .head_dim = head_dim,
            .group = group,
            .scale = float(o.scale),
            .back = o.back,
            .ahead = o.ahead,
            .bias = bias ? bias.as<float>() + bias_at(s, head) : nullptr,
            .bias_head = bias_head,
            .bias_row = bias_row,
            .dropout = dropout,
            .row = first * heads + head,
            .row_step = heads,
            .out = out.as<T>() + offset(s, kv_head),
            .lse = lse.as<float>() + first * heads + head,
            .workspace = workspace};
  }
  int64_t offset(int64_t s, int64_t kv_head) const {   // of a sequence's first query head of the group
    return (queries.start[s] * heads + kv_head * (heads / kv_heads)) * head_dim;
  }

  // Calls body(sequence, key head, workspace) for all, on all threads. one_sequence, one_head: those that differ in
  // nothing else follow each other on one thread, because they add to the same gradient of bias.
  template <class Body>
  void each(TensorView workspace, int64_t products, bool one_sequence, bool one_head, const Body& body) const {
    const int64_t head_step = one_head ? kv_heads : 1, sequence_step = one_sequence ? queries.count : 1;
    const int64_t across = kv_heads / head_step, units = queries.count ? queries.count / sequence_step * across : 0;
    if (units == 0) return;
    const int64_t share = flash_workspace(q.dtype, head_dim, keys.longest);
    check.at_least("workspace", workspace, share);
    std::atomic<int64_t> next{0};
    const int64_t shares = std::min({workspace.shape.count() / share, int64_t(num_threads()), units});
    parallel_for(shares, 1, [&](int64_t begin, int64_t) {
      Stops stops;
      for (int64_t unit; (unit = next.fetch_add(1, std::memory_order_relaxed)) < units;) {
        const int64_t first = unit / across * sequence_step, head = unit % across * head_step;
        for (int64_t s = first; s < first + sequence_step; ++s) {
          for (int64_t h = head; h < head + head_step; ++h) {
            stops.before(products * queries.length(s) * keys.length(s) * head_dim * (heads / kv_heads));
            body(s, h, workspace.as<std::byte>() + begin * share);
          }
        }
      }
    });
  }
};

template <class T>
CudaFlashArgs<T> cuda_args(const FlashShape& s, TensorView q, TensorView k, TensorView v, TensorView query_start,
                           TensorView key_start, TensorView bias, const Flash& o, const Dropout& dropout,
                           TensorView out, TensorView lse) {
  return {.q = q.as<T>(),
          .k = k.as<T>(),
          .v = v.as<T>(),
          .query_start = query_start.as<int32_t>(),
          .key_start = key_start.as<int32_t>(),
          .sequences = query_start.shape[0] - 1,
          .queries = q.shape[0],
          .keys = k.shape[0],
          .heads = int(s.heads),
          .kv_heads = int(s.kv_heads),
          .head_dim = int(s.head_dim),
          .scale = float(o.scale),
          .back = o.back,
          .ahead = o.ahead,
          .bias = bias.as<float>(),
          .reach = s.reach,
          .dropout = dropout,
          .seed = o.seed.as<int64_t>(),
          .out = out.as<T>(),
          .lse = lse.as<float>()};
}

FlashShape checked_on_cuda(const Check& check, TensorView q, TensorView k, TensorView v, TensorView query_start,
                           TensorView key_start, TensorView bias, const Flash& o, TensorView out, TensorView lse) {
  const FlashShape s = checked_shape(check, q, k, v, q.shape[0], k.shape[0], bias, o, out, lse);
  if (bias && !s.reach) {
    fail(ErrorKind::kUnsupported, check.op, ": bias has shape ", bias.shape,
         "; expected a bias of distances, [heads, 2 n - 1], on CUDA");
  }
  if (s.head_dim > kFlashMostDim) {
    fail(ErrorKind::kUnsupported, check.op, ": heads have ", s.head_dim, " values; expected at most ", kFlashMostDim,
         " on CUDA");
  }
  check.rank("cu_seqlens", query_start, 1);
  check.dtype("cu_seqlens", query_start, DType::kI32);
  check.matches("cu_seqlens_k", key_start, DType::kI32, query_start.shape);
  if (query_start.shape[0] < 1) fail(ErrorKind::kValue, check.op, ": cu_seqlens is empty; expected 0 first");
  return s;
}

}  // namespace

int64_t flash_bias_shares(TensorView q, int64_t sequences) {
  if (!on_cuda(q)) return sequences;
  return flash_tiles(q.shape[0], sequences, flash_grad_tile(int(size_of(q.dtype)), flash_dim(int(q.shape.last()))));
}

void flash_on_cuda(TensorView q, TensorView k, TensorView v, TensorView query_start, TensorView key_start,
                   TensorView bias, const Flash& o, TensorView out, TensorView lse) {
  const Check check{"flash"};
  const FlashShape s = checked_on_cuda(check, q, k, v, query_start, key_start, bias, o, out, lse);
  const Dropout dropout = dropout_of(check, o.seed, o.p);
  with_cuda("flash", q, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
    return cuda.flash(on, cuda_args<T>(s, q, k, v, query_start, key_start, bias, o, dropout, out, lse));
  });
}

void flash_grad_on_cuda(TensorView dout, TensorView q, TensorView k, TensorView v, TensorView out, TensorView lse,
                        TensorView query_start, TensorView key_start, TensorView bias, const Flash& o, TensorView dq,
                        TensorView dk, TensorView dv, TensorView dbias, TensorView workspace) {
  const Check check{"flash_grad"};
  const FlashShape s = checked_on_cuda(check, q, k, v, query_start, key_start, bias, o, out, lse);
  const Dropout dropout = dropout_of(check, o.seed, o.p);
  check.matches("dout", dout, q.dtype, q.shape);
  check.matches("dq", dq, q.dtype, q.shape);
  check.matches("dk", dk, q.dtype, k.shape);
  check.matches("dv", dv, q.dtype, k.shape);
  const int64_t shares = flash_bias_shares(q, query_start.shape[0] - 1);
  check.optional("dbias", dbias, DType::kF32, {shares, s.heads, 2 * s.reach - 1});
  check.at_least("workspace", workspace, lse.shape.count() * int64_t(sizeof(float)));
  with_cuda("flash_grad", q, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
    return cuda.flash_grad(on, {.forward = cuda_args<T>(s, q, k, v, query_start, key_start, bias, o, dropout, out, lse),
                                .dout = dout.as<T>(),
                                .shares = workspace.as<float>(),
                                .dq = dq.as<T>(),
                                .dk = dk.as<T>(),
                                .dv = dv.as<T>(),
                                .dbias = dbias.as<float>()});
  });
}

int64_t flash_workspace(DType dtype, int64_t head_dim, int64_t longest) {
  int64_t bytes = 0;
  with_float_type("flash", dtype, [&]<class T>() { bytes = train_kernels<T>().flash_workspace(head_dim, longest); });
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

void flash(TensorView q, TensorView k, TensorView v, const Sequences& queries, const Sequences& keys, TensorView bias,
           const Flash& options, TensorView out, TensorView lse, TensorView workspace) {
  const Call call("flash", q, k, v, queries, keys, bias, options, out, lse);
  with_float_type("flash", q.dtype, [&]<class T>() {
    call.each(workspace, 2, false, false, [&](int64_t s, int64_t kv_head, void* memory) {
      train_kernels<T>().flash(call.args<T>(s, kv_head, v, out, lse, memory));
    });
  });
}

void flash_grad(TensorView dout, TensorView q, TensorView k, TensorView v, TensorView out, TensorView lse,
                const Sequences& queries, const Sequences& keys, TensorView bias, const Flash& options, TensorView dq,
                TensorView dk, TensorView dv, TensorView dbias, TensorView workspace) {
  const Call call("flash_grad", q, k, v, queries, keys, bias, options, out, lse);
  const Check& check = call.check;
  check.matches("dout", dout, q.dtype, q.shape);
  check.matches("dq", dq, q.dtype, q.shape);
  check.matches("dk", dk, q.dtype, k.shape);
  check.matches("dv", dv, q.dtype, k.shape);
  const bool distances = call.reach > 0;
  const int64_t share = call.heads * call.bias_head;   // of a sequence, in a gradient of distances
  check.optional("dbias", dbias, DType::kF32,
                 distances ? Shape{queries.count, call.heads, call.bias_head} : bias.shape);
  if (dbias) {
    parallel_rows(dbias.shape.count(), sizeof(float),
                  [&](Range range) { std::fill_n(dbias.as<float>() + range.begin, range.size(), 0.0f); });
  }
  const bool one_sequence = dbias && !distances && call.bias_sequence == 0;
  const bool one_head = dbias && !distances && call.bias_head == 0;
  with_float_type("flash_grad", q.dtype, [&]<class T>() {
    call.each(workspace, 5, one_sequence, one_head, [&](int64_t s, int64_t kv_head, void* memory) {
      const FlashArgs<T> forward = call.args<T>(s, kv_head, v, out, lse, memory);
      const int64_t at = call.offset(s, kv_head), key = forward.k - k.as<T>();
      const int64_t head = kv_head * forward.group;
      train_kernels<T>().flash_grad(
          {.forward = forward,
           .dout = dout.as<T>() + at,
           .dq = dq.as<T>() + at,
           .dk = dk.as<T>() + key,
           .dv = dv.as<T>() + key,
           .dbias = dbias ? dbias.as<float>() + (distances ? s * share : 0) + call.bias_at(s, head) : nullptr});
    });
  });
}

}  // namespace fastplm::ops
