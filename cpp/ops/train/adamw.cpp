#include "ops/train/adamw.h"

#include <cmath>
#include <vector>

#include "kernels/train.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm::ops {
namespace {

constexpr int64_t kBlock = 64 << 10;   // values of one piece of work

struct Piece {
  size_t tensor;
  Range values;
};

// All tensors in pieces, so that a large one and many small ones share the threads alike.
template <class CountOf>
std::vector<Piece> pieces_of(size_t tensors, const CountOf& count) {
  std::vector<Piece> pieces;
  for (size_t t = 0; t < tensors; ++t) {
    for (int64_t at = 0; at < count(t); at += kBlock) pieces.push_back({t, {at, std::min(count(t), at + kBlock)}});
  }
  return pieces;
}

template <class T, class S>
AdamWArgs<T, S> common_args(const AdamW& o) {   // without what differs between tensors
  return {.rest1 = float(1 - o.beta1),
          .rest2 = float(1 - o.beta2),
          .decay = float(1 - o.lr * o.weight_decay),
          .beta1 = float(o.beta1),
          .beta2 = float(o.beta2),
          .eps = float(o.eps),
          .grad_scale = float(o.grad_scale)};
}

float step_size(const AdamW& o, int64_t step) { return float(o.lr / (1 - std::pow(o.beta1, double(step)))); }
float root_factor(const AdamW& o, int64_t step) { return float(1 / std::sqrt(1 - std::pow(o.beta2, double(step)))); }

template <class T, class S>
void update(const Adapted& t, const AdamW& o, Range values) {
  AdamWArgs<T, S> args = common_args<T, S>(o);
  args.param = t.param.as<T>();
  args.grad = t.grad.as<T>();
  args.mean = t.mean.as<S>();
  args.square = t.square.as<S>();
  args.master = t.master.as<float>();
  args.step_size = step_size(o, t.step);
  args.root_factor = root_factor(o, t.step);
  if constexpr (std::is_same_v<T, S>)
    train_kernels<T>().adamw(args, values);
  else
    train_kernels<T>().adamw_f32(args, values);
}

// Tensors of one type and kind of state go together.
void adamw_on_cuda(std::span<const Adapted> tensors, const AdamW& o) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const bool state_f32 : {false, true}) {
      std::vector<CudaAdamWTensor> batch;
      const TensorView* any = nullptr;
      for (const Adapted& t : tensors) {
        const bool in_f32 = t.mean.dtype == DType::kF32 && dtype != DType::kF32;
        if (t.param.dtype != dtype || in_f32 != state_f32 || t.param.shape.count() == 0) continue;
        any = &t.param;
        batch.push_back({t.param.data, t.mean.data, t.square.data, t.grad.data, t.master.as<float>(),
                         t.param.shape.count(), step_size(o, t.step), root_factor(o, t.step)});
      }
      if (!any) continue;
      with_cuda("adamw", *any, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
        return cuda.adamw(on, batch.data(), int64_t(batch.size()), common_args<T, float>(o), state_f32,
                          o.device_scale.as<float>());
      });
    }
  }
}

}  // namespace

void adamw(std::span<const Adapted> tensors, const AdamW& o) {
  const Check check{"adamw"};
  for (const Adapted& t : tensors) {
    if (on_cuda(t.param))
      with_stored_type("adamw", t.param.dtype, []<class T>() {});
    else
      with_float_type("adamw", t.param.dtype, []<class T>() {});
    check.matches("grad", t.grad, t.param.dtype, t.param.shape);
    if (t.mean.dtype != DType::kF32) check.dtype("exp_avg", t.mean, t.param.dtype);
    check.shape("exp_avg", t.mean, t.param.shape);
    check.matches("exp_avg_sq", t.square, t.mean.dtype, t.param.shape);
    check.optional("master", t.master, DType::kF32, t.param.shape);
    check.positive("step", double(t.step));
  }
  check.optional("device_scale", o.device_scale, DType::kF32, {1});
  if (!tensors.empty() && on_cuda(tensors[0].param)) return adamw_on_cuda(tensors, o);
  const std::vector<Piece> pieces = pieces_of(tensors.size(), [&](size_t t) { return tensors[t].param.shape.count(); });
  parallel_for(int64_t(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Adapted& t = tensors[pieces[size_t(i)].tensor];
      with_float_type("adamw", t.param.dtype, [&]<class T>() {
        if (t.mean.dtype == t.param.dtype)
          update<T, T>(t, o, pieces[size_t(i)].values);
        else
          update<T, float>(t, o, pieces[size_t(i)].values);
      });
    }
  });
}

int64_t norm_workspace(std::span<const TensorView> tensors) {
  int64_t parts = 0;
  for (const TensorView& t : tensors) parts += adamw_blocks(t.shape.count());
  return parts * int64_t(sizeof(double));
}

void global_norm_on_cuda(std::span<const TensorView> tensors, TensorView norm, TensorView workspace) {
  const Check check{"global_norm"};
  check.matches("norm", norm, DType::kF32, {1});
  check.at_least("workspace", workspace, norm_workspace(tensors));
  double* parts = workspace.as<double>();
  for (size_t from = 0; from < tensors.size();) {   // in the order of the list, those of one type together
    std::vector<CudaAdamWTensor> batch;
    const TensorView& first = tensors[from];
    int64_t blocks = 0;
    for (; from < tensors.size() && tensors[from].dtype == first.dtype; ++from) {
      const int64_t count = tensors[from].shape.count();
      if (count) batch.push_back({.grad = tensors[from].data, .count = count});
      blocks += adamw_blocks(count);
    }
    with_cuda("global_norm", first, [&]<class T>(const CudaKernels<T>& cuda, CudaStream on) {
      return cuda.sum_squares(on, batch.data(), int64_t(batch.size()), parts);
    });
    parts += blocks;
  }
  const CudaTable& table = cuda_table("global_norm");
  const int64_t count = parts - workspace.as<double>();
  check_cuda("global_norm", table.norm_of_parts(cuda_stream(), workspace.as<double>(), count, norm.as<float>()));
}

double global_norm(std::span<const TensorView> tensors) {
  for (const TensorView& t : tensors) with_float_type("global_norm", t.dtype, []<class T>() {});
  const std::vector<Piece> pieces = pieces_of(tensors.size(), [&](size_t t) { return tensors[t].shape.count(); });
  std::vector<double> sums(pieces.size());
  parallel_for(int64_t(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto& [t, values] = pieces[size_t(i)];
      with_float_type("global_norm", tensors[t].dtype, [&]<class T>() {
        sums[size_t(i)] = train_kernels<T>().sum_squares(tensors[t].as<T>() + values.begin, values.size());
      });
    }
  });
  double total = 0;
  for (const double s : sums) total += s;
  return std::sqrt(total);
}

}  // namespace fastplm::ops
