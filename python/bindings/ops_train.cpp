// The part of _ops that trains. Contracts: cpp/ops/train/<op>.h.
#include "core/parallel.h"
#include "define.h"
#include "names.h"
#include "ops.h"
#include "ops/train/adafactor.h"
#include "ops/train/adamw.h"
#include "ops/train/add_norm.h"
#include "ops/train/embed_norm.h"
#include "ops/train/flash.h"
#include "ops/train/gated.h"
#include "ops/train/loss.h"
#include "ops/train/product.h"
#include "ops/train/rotary.h"

namespace {

// cu_seqlens_k: None, as cu_seqlens; back, ahead: below 0 for all.
ops::Flash flash_options(double scale, int64_t back, int64_t ahead, TensorView seed, double p) {
  return {scale, back < 0 ? kFar : back, ahead < 0 ? kFar : ahead, seed, p};
}

struct HostSequences {
  Sequences queries, keys;

  HostSequences(TensorView q, TensorView k, TensorView cu_seqlens, TensorView cu_seqlens_k)
      : queries(sequences_of("flash", cu_seqlens, q.shape[0])),
        keys(cu_seqlens_k ? sequences_of("flash", cu_seqlens_k, k.shape[0]) : queries) {}
};

}  // namespace

void bind_training(nb::module_& m) {
  m.def("borrow_openmp_threads", &borrow_openmp_threads);
  m.def("num_threads", &num_threads);

  define_everywhere(m, "add_norm",
                    +[](TensorView x, Maybe residual, Maybe weight, Maybe bias, const std::string& kind, double eps,
                        Maybe seed, double p, Maybe sum, TensorView y, TensorView stats) {
                      ops::add_norm(x, residual, weight, bias, {norm_kind(kind), eps, seed, p}, sum, y, stats);
                    },
                    {"x", "residual", "weight", "bias", "kind", "eps", "seed", "p", "sum", "y", "stats"});
  define(m, "add_norm_workspace", &ops::add_norm_workspace, {"rows", "dim"});
  define_everywhere(
      m, "add_norm_grad",
      +[](TensorView dy, Maybe dsum, TensorView sum, TensorView stats, Maybe weight, const std::string& kind,
          Maybe seed, double p, Maybe dx, TensorView dresidual, Maybe dweight, Maybe dbias, TensorView workspace) {
        ops::add_norm_grad(dy, dsum, sum, stats, weight, {norm_kind(kind), 0.0, seed, p}, dx, dresidual, dweight, dbias,
                           workspace);
      },
      {"dy", "dsum", "sum", "stats", "weight", "kind", "seed", "p", "dx", "dresidual", "dweight", "dbias",
       "workspace"});

  // tables: up to three; ids of the second and third may be None: all 0.
  define(
      m, "embed_norm",
      +[](TensorView table, TensorView ids, Maybe table2, Maybe ids2, Maybe table3, Maybe ids3, Maybe weight,
          Maybe bias, double eps, Maybe seed, double p, TensorView sum, TensorView y, TensorView stats) {
        std::vector<ops::EmbedTable> tables{{table, ids}};
        if (table2) tables.push_back({table2, ids2});
        if (table3) tables.push_back({table3, ids3});
        ops::embed_norm(tables, weight, bias, {NormKind::kLayer, eps, seed, p}, sum, y, stats);
      },
      {"table", "ids", "table2", "ids2", "table3", "ids3", "weight", "bias", "eps", "seed", "p", "sum", "y", "stats"});
  define(m, "embed_norm_grad",
         +[](TensorView dy, TensorView sum, TensorView stats, Maybe weight, Maybe seed, double p, TensorView dsum,
             Maybe dweight, Maybe dbias, TensorView workspace) {
           ops::embed_norm_grad(dy, sum, stats, weight, {NormKind::kLayer, 1.0, seed, p}, dsum, dweight, dbias,
                                workspace);
         },
         {"dy", "sum", "stats", "weight", "seed", "p", "dsum", "dweight", "dbias", "workspace"});
  define(m, "scatter", +[](TensorView grad, Maybe ids, TensorView table) { ops::scatter(grad, ids, table); },
         {"grad", "ids", "table"});
  define(m, "rotary",
         +[](TensorView x, TensorView cosine, TensorView sine, bool interleaved, bool backwards, TensorView y) {
           ops::rotary(x, cosine, sine, {interleaved, backwards}, y);
         },
         {"x", "cos", "sin", "interleaved", "backwards", "y"});

  define_everywhere(m, "gated",
                    +[](TensorView x, Maybe up, const std::string& name, Maybe seed, double p, TensorView y) {
                      ops::gated(x, up, act(name), seed, p, y);
                    },
                    {"x", "up", "act", "seed", "p", "y"});
  define_everywhere(m, "gated_grad",
                    +[](TensorView dy, TensorView x, Maybe up, const std::string& name, Maybe seed, double p,
                        TensorView dx, Maybe dup) { ops::gated_grad(dy, x, up, act(name), seed, p, dx, dup); },
                    {"dy", "x", "up", "act", "seed", "p", "dx", "dup"});
  define(m, "column_sums_workspace", &ops::column_sums_workspace, {"rows", "dim"});
  define_everywhere(m, "column_sums", &ops::column_sums, {"x", "sums", "workspace"});

  define_everywhere(m, "product_workspace",
                    +[](TensorView a, bool a_transposed, TensorView b, bool b_transposed, TensorView out) {
                      const ops::ProductOptions options{.a_transposed = a_transposed, .b_transposed = b_transposed};
                      return ops::product_workspace(a, b, options, out);
                    },
                    {"a", "a_transposed", "b", "b_transposed", "out"});
  define_everywhere(
      m, "product",
      +[](TensorView a, bool a_transposed, TensorView b, bool b_transposed, Maybe bias, const std::string& name,
          bool accumulate, Maybe before, TensorView out, TensorView workspace) {
        const ops::ProductOptions options{a_transposed, b_transposed, act(name), accumulate};
        ops::product(a, b, bias, options, before, out, workspace);
      },
      {"a", "a_transposed", "b", "b_transposed", "bias", "act", "accumulate", "before", "out", "workspace"});

  define_everywhere(
      m, "cross_entropy",
      +[](TensorView logits, TensorView labels, int64_t ignored, double smoothing, double z, TensorView losses,
          TensorView lse) { ops::cross_entropy(logits, labels, {ignored, smoothing, z}, losses, lse); },
      {"logits", "labels", "ignored", "label_smoothing", "z", "losses", "lse"});
  define_everywhere(m, "cross_entropy_grad",
                    +[](TensorView logits, TensorView labels, int64_t ignored, double smoothing, double z,
                        TensorView lse, TensorView dlosses, TensorView grad) {
                      ops::cross_entropy_grad(logits, labels, {ignored, smoothing, z}, lse, dlosses, grad);
                    },
                    {"logits", "labels", "ignored", "label_smoothing", "z", "lse", "dlosses", "grad"});

  define(m, "flash_workspace",
         +[](TensorView like, int64_t head_dim, int64_t longest) {
           return ops::flash_workspace(like.dtype, head_dim, longest);
         },
         {"like", "head_dim", "longest"});
  define_everywhere(m, "flash_bias_shares", &ops::flash_bias_shares, {"q", "sequences"});
  define_everywhere(
      m, "flash",
      +[](TensorView q, TensorView k, TensorView v, TensorView cu_seqlens, Maybe cu_seqlens_k, Maybe bias, double scale,
          int64_t back, int64_t ahead, Maybe seed, double p, TensorView out, TensorView lse, TensorView workspace) {
        const ops::Flash options = flash_options(scale, back, ahead, seed, p);
        if (on_cuda(q)) {
          const TensorView key_start = cu_seqlens_k ? cu_seqlens_k : cu_seqlens;
          return ops::flash_on_cuda(q, k, v, cu_seqlens, key_start, bias, options, out, lse);
        }
        const HostSequences of(q, k, cu_seqlens, cu_seqlens_k);
        ops::flash(q, k, v, of.queries, of.keys, bias, options, out, lse, workspace);
      },
      {"q", "k", "v", "cu_seqlens", "cu_seqlens_k", "bias", "scale", "back", "ahead", "seed", "p", "out", "lse",
       "workspace"});
  define_everywhere(
      m, "flash_grad",
      +[](TensorView dout, TensorView q, TensorView k, TensorView v, TensorView out, TensorView lse,
          TensorView cu_seqlens, Maybe cu_seqlens_k, Maybe bias, double scale, int64_t back, int64_t ahead, Maybe seed,
          double p, TensorView dq, TensorView dk, TensorView dv, Maybe dbias, TensorView workspace) {
        const ops::Flash options = flash_options(scale, back, ahead, seed, p);
        if (on_cuda(q)) {
          const TensorView key_start = cu_seqlens_k ? cu_seqlens_k : cu_seqlens;
          return ops::flash_grad_on_cuda(dout, q, k, v, out, lse, cu_seqlens, key_start, bias, options, dq, dk, dv,
                                         dbias, workspace);
        }
        const HostSequences of(q, k, cu_seqlens, cu_seqlens_k);
        ops::flash_grad(dout, q, k, v, out, lse, of.queries, of.keys, bias, options, dq, dk, dv, dbias, workspace);
      },
      {"dout", "q", "k", "v", "out", "lse", "cu_seqlens", "cu_seqlens_k", "bias", "scale", "back", "ahead", "seed", "p",
       "dq", "dk", "dv", "dbias", "workspace"});

  // row_vars: one for each parameter with at least two dimensions; col_vars: one for each.
  define(m, "adafactor_workspace", +[](TensorList params) { return ops::adafactor_workspace(params); }, {"params"});
  define(m, "adafactor",
         +[](TensorList params, TensorList grads, TensorList row_vars, TensorList col_vars, TensorView steps, double lr,
             double beta2_decay, double eps1, double eps2, double clip, double weight_decay, bool maximize,
             TensorView workspace) {
           const size_t count = params.size();
           const Check check{"adafactor"};
           check.matches("steps", steps, DType::kI64, {int64_t(count)});
           size_t matrices = 0;
           for (const TensorView& p : params) matrices += p.shape.rank > 1;
           if (grads.size() != count || col_vars.size() != count || row_vars.size() != matrices) {
             fail(ErrorKind::kValue, "adafactor: ", grads.size(), " gradients, ", row_vars.size(), " row_vars and ",
                  col_vars.size(), " col_vars; expected ", count, ", ", matrices, " and ", count,
                  " for these parameters");
           }
           std::vector<ops::FactoredState> tensors;
           size_t matrix = 0;
           for (size_t i = 0; i < count; ++i) {
             const TensorView row_var = params[i].shape.rank > 1 ? row_vars[matrix++] : TensorView{};
             tensors.push_back({params[i], grads[i], row_var, col_vars[i], steps.as<int64_t>()[i]});
           }
           ops::adafactor(tensors, {lr, beta2_decay, eps1, eps2, clip, weight_decay, maximize}, workspace);
         },
         {"params", "grads", "row_vars", "col_vars", "steps", "lr", "beta2_decay", "eps1", "eps2", "clip",
          "weight_decay", "maximize", "workspace"});

  // steps: how often each parameter has been updated, this time included. masters: empty, or one for each.
  define_everywhere(
      m, "adamw",
      +[](TensorList params, TensorList grads, TensorList means, TensorList squares, TensorList masters, OnHost steps,
          double lr, double beta1, double beta2, double eps, double weight_decay, double grad_scale,
          Maybe device_scale) {
        const size_t count = params.size();
        Check{"adamw"}.matches("steps", steps, DType::kI64, {int64_t(count)});
        const auto same = [&](const char* name, const TensorList& list) {
          if (list.size() == count) return;
          fail(ErrorKind::kValue, "adamw: ", list.size(), " ", name, "; expected ", count, ", as parameters");
        };
        same("gradients", grads);
        same("exp_avg", means);
        same("exp_avg_sq", squares);
        if (!masters.empty()) same("masters", masters);
        std::vector<ops::Adapted> tensors;
        for (size_t i = 0; i < count; ++i) {
          tensors.push_back({params[i], grads[i], means[i], squares[i], masters.empty() ? TensorView{} : masters[i],
                             steps.as<int64_t>()[i]});
        }
        ops::adamw(tensors, {lr, beta1, beta2, eps, weight_decay, grad_scale, device_scale});
      },
      {"params", "grads", "exp_avgs", "exp_avg_sqs", "masters", "steps", "lr", "beta1", "beta2", "eps", "weight_decay",
       "grad_scale", "device_scale"});
  define_everywhere(m, "norm_workspace", +[](TensorList tensors) { return ops::norm_workspace(tensors); }, {"tensors"});
  define_everywhere(m, "global_norm_on_cuda",
                    +[](TensorList tensors, TensorView norm, TensorView workspace) {
                      ops::global_norm_on_cuda(tensors, norm, workspace);
                    },
                    {"tensors", "norm", "workspace"});
  define(m, "global_norm", +[](TensorList tensors) { return ops::global_norm(tensors); }, {"tensors"});
}
