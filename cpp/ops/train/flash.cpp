#include "ops/train/flash.h"

#include <atomic>

#include "core/buffer.h"
#include "kernels/train.h"
#include "ops/dispatch.h"
#include "ops/rows.h"
#include "ops/train/dropout.h"

namespace fastplm::ops {
namespace {

// What both passes check and share.
struct Call {
  Check check;
  TensorView q, k, bias;
  const Sequences &queries, &keys;
  const Flash& o;
  Dropout dropout;
  int64_t heads = 0, kv_heads = 0, head_dim = 0, reach = 0;

  Call(const char* op, TensorView q_, TensorView k_, TensorView v, const Sequences& queries_, const Sequences& keys_,
       TensorView bias_, const Flash& options, TensorView out, TensorView lse)
      : check{op}, q(q_), k(k_), bias(bias_), queries(queries_), keys(keys_), o(options) {
    check.rank("q", q, 3);
    check.rank("k", k, 3);
    heads = q.shape[1];
    kv_heads = k.shape[1];
    head_dim = q.shape[2];
    check.shape("q", q, {queries.tokens(), heads, head_dim});
    check.matches("k", k, q.dtype, {keys.tokens(), kv_heads, head_dim});
    check.matches("v", v, q.dtype, k.shape);
    check.matches("out", out, q.dtype, q.shape);
    check.matches("lse", lse, DType::kF32, {queries.tokens(), heads});
    check.positive("scale", o.scale);
    if (kv_heads < 1 || heads % kv_heads) {
      fail(ErrorKind::kValue, op, ": ", heads, " heads over ", kv_heads,
           " key heads; expected the same number for each");
    }
    if (queries.count != keys.count) {
      fail(ErrorKind::kValue, op, ": ", queries.count, " sequences of queries, ", keys.count,
           " of keys; expected the same");
    }
    dropout = dropout_of(check, o.seed, o.p);
    if (!bias) return;
    reach = (bias.shape.last() + 1) / 2;
    check.matches("bias", bias, DType::kF32, {heads, 2 * reach - 1});
    for (int64_t s = 0; s < keys.count; ++s) {   // of the last query to the first key, or the other way round
      const int64_t distance = std::max(keys.length(s), queries.length(s)) - 1;
      if (distance < reach) continue;
      fail(ErrorKind::kValue, op, ": sequence ", s, " spans a distance of ", distance, "; bias reaches ", reach - 1);
    }
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
            .bias = bias ? bias.as<float>() + head * (2 * reach - 1) + reach - 1 : nullptr,
            .bias_step = 2 * reach - 1,
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

  // Calls body(sequence, key head, workspace) for all, on all threads.
  template <class Body>
  void each(TensorView workspace, int64_t products, const Body& body) const {
    const int64_t units = queries.count * kv_heads;
    if (units == 0) return;
    const int64_t share = flash_workspace(q.dtype, head_dim, keys.longest);
    check.at_least("workspace", workspace, share);
    std::atomic<int64_t> next{0};
    const int64_t shares = std::min({workspace.shape.count() / share, int64_t(num_threads()), units});
    parallel_for(shares, 1, [&](int64_t begin, int64_t) {
      Stops stops;
      for (int64_t unit; (unit = next.fetch_add(1, std::memory_order_relaxed)) < units;) {
        const int64_t s = unit / kv_heads;
        stops.before(products * queries.length(s) * keys.length(s) * head_dim * (heads / kv_heads));
        body(s, unit % kv_heads, workspace.as<std::byte>() + begin * share);
      }
    });
  }
};

}  // namespace

int64_t flash_workspace(DType dtype, int64_t head_dim, int64_t longest) {
  int64_t bytes = 0;
  with_float_type("flash", dtype, [&]<class T>() { bytes = train_kernels<T>().flash_workspace(head_dim, longest); });
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

void flash(TensorView q, TensorView k, TensorView v, const Sequences& queries, const Sequences& keys, TensorView bias,
           const Flash& options, TensorView out, TensorView lse, TensorView workspace) {
  const Call call("flash", q, k, v, queries, keys, bias, options, out, lse);
  with_float_type("flash", q.dtype, [&]<class T>() {
    call.each(workspace, 2, [&](int64_t s, int64_t kv_head, void* memory) {
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
  const int64_t width = 2 * call.reach - 1;
  check.optional("dbias", dbias, DType::kF32, {queries.count, call.heads, width});
  if (dbias) std::fill_n(dbias.as<float>(), dbias.shape.count(), 0.0f);
  with_float_type("flash_grad", q.dtype, [&]<class T>() {
    call.each(workspace, 5, [&](int64_t s, int64_t kv_head, void* memory) {
      const FlashArgs<T> forward = call.args<T>(s, kv_head, v, out, lse, memory);
      const int64_t at = call.offset(s, kv_head), key = forward.k - k.as<T>();
      const int64_t head = kv_head * forward.group;
      train_kernels<T>().flash_grad(
          {.forward = forward,
           .dout = dout.as<T>() + at,
           .dq = dq.as<T>() + at,
           .dk = dk.as<T>() + key,
           .dv = dv.as<T>() + key,
           .dbias = dbias ? dbias.as<float>() + (s * call.heads + head) * width + call.reach - 1 : nullptr});
    });
  });
}

}  // namespace fastplm::ops
