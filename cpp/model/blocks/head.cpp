#include "model/blocks/head.h"

#include <cstring>

#include "core/error.h"
#include "ops/convert.h"
#include "ops/norm.h"
#include "ops/pool.h"

namespace fastplm {

std::vector<LoadedHead> load_head(Loader& load, const std::vector<HeadOutput>& outputs, int64_t width, int64_t vocab) {
  std::vector<LoadedHead> heads;
  for (const HeadOutput& output : outputs) {
    LoadedHead head{.spec = output, .weights = {}, .width = width, .widest = width};
    for (const HeadStep& step : output.steps) {
      LinearWeights linear;
      NormWeights norm;
      head.widest = std::max(head.widest, head.width);
      if (step.kind == HeadStep::kDense) {
        const int64_t n = step.width ? step.width : head.width;
        linear = load.named_linear(step.name, step.bias, n, head.width, step.has_bias);
        head.width = n;
      } else if (step.kind == HeadStep::kNorm) {
        const bool older = step.older && !load.has_named(std::string(step.name) + ".weight") &&
                           load.has_named(std::string(step.older) + ".weight");
        norm = load.named_norm(older ? step.older : step.name, head.width, step.norm.bias);
      } else if (step.kind == HeadStep::kVocab) {
        linear = load.projection(vocab, head.width);
        const bool other = load.tied() && step.tied_bias && !load.has_named(step.bias);
        if (step.bias) linear.bias = load.named_bias(other ? step.tied_bias : step.bias, vocab, step.quiet_bias);
        head.width = vocab;
      }
      head.weights.linear.push_back(linear);
      head.weights.norm.push_back(norm);
    }
    heads.push_back(std::move(head));
  }
  return heads;
}

// Row `of(s)` of each sequence, brought together.
template <class Of>
static void gather(const Batch& batch, TensorView x, TensorView rows, const Of& of) {
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  const int64_t width = x.shape[1];
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    float* to = rows.as<float>() + s * width;
    if (start[s] == start[s + 1])
      std::memset(to, 0, size_t(width) * sizeof(float));
    else
      std::memcpy(to, x.as<float>() + (start[s] + of(s)) * width, size_t(width) * sizeof(float));
  }
}

static int64_t last_of(const Batch& batch, int64_t s) {
  return batch.cu_seqlens.as<int32_t>()[s + 1] - batch.cu_seqlens.as<int32_t>()[s] - 1;
}

static TensorView shaped(TensorView space, int64_t rows, int64_t width) {
  space.shape = {rows, width};
  return space;
}

void head_block(const LoadedHead& head, const Batch& whole, Space& a, bool last_rows, TensorView out) {
  Batch batch = whole;
  if (whole.targets.cu_seqlens) batch.cu_seqlens = whole.targets.cu_seqlens;
  const int64_t first = whole.targets.cu_seqlens ? whole.tokens() : 0;
  TensorView x = slice(a.last, first, first + batch.tokens());   // never written: other heads read it too
  int64_t rows = x.shape[0], spare = 0;
  const TensorView spaces[2] = {a.rows, a.next};
  if (last_rows && !head.spec.per_sequence()) {
    rows = batch.sequences();
    const TensorView y = shaped(spaces[spare], rows, x.shape[1]);
    gather(batch, x, y, [&](int64_t s) { return last_of(batch, s); });
    x = y;
    spare = 1;
  }
  for (size_t i = 0; i < head.spec.steps.size(); ++i) {
    const HeadStep& step = head.spec.steps[i];
    const LinearWeights& linear = head.weights.linear[i];
    const bool last = i + 1 == head.spec.steps.size(), gathers = step.kind <= HeadStep::kMean;
    const int64_t width = linear.weight ? linear.weight.n : x.shape[1];
    if (gathers) rows = batch.sequences();
    const TensorView y = last ? out : shaped(spaces[spare], rows, width);
    spare = 1 - spare;
    switch (step.kind) {
      case HeadStep::kFirst:
      case HeadStep::kFirstShown: gather(batch, x, y, [](int64_t) { return 0; }); break;
      case HeadStep::kGather:
        if (!batch.gather) fail(ErrorKind::kInternal, "head: no rows to gather");
        gather(batch, x, y, [&](int64_t s) { return batch.gather.as<int32_t>()[s]; });
        break;
      case HeadStep::kMean: ops::pool(x, batch.cu_seqlens, PoolKind::kMean, false, y); break;
      case HeadStep::kNorm:
        ops::norm(x, step.norm.kind, head.weights.norm[i].weight, head.weights.norm[i].bias, step.norm.eps, y);
        break;
      case HeadStep::kScale:
        for (int64_t j = 0; j < x.shape.count(); ++j) y.as<float>()[j] = x.as<float>()[j] * float(step.factor);
        break;
      case HeadStep::kDense:
      case HeadStep::kVocab: {
        TensorView h = x;
        if (ops::activation_of(linear.weight.format) != DType::kF32) {
          h = shaped(a.narrow, rows, x.shape[1]);
          ops::convert(x, h);
        }
        ops::linear(h, linear.weight, linear.bias, step.act, {}, y);
        break;
      }
    }
    x = y;
  }
}

}  // namespace fastplm
