#include "model/blocks/conv.h"

#include <cstring>

#include "ops/dispatch.h"
#include "ops/rows.h"

namespace fastplm {

ConvWeights load_conv(Loader& load, const ConvSpec& spec, int64_t width) {
  return {load.convolution("conv", width, width, spec.length)};
}

void unfold(const ConvSpec& spec, const Batch& batch, Space& a) {
  const int64_t width = a.h.shape[1], length = spec.length, half = length / 2;
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  const int32_t* index = batch.index.as<int32_t>();
  with_float_type("convolution", a.h.dtype, [&]<class T>() {
    for (int64_t s = 0; s < batch.sequences(); ++s) {
      parallel_rows(start[s + 1] - start[s], width * length, [&](Range rows) {
        for (int64_t t = start[s] + rows.begin; t < start[s] + rows.end; ++t) {
          T* to = a.unfolded.as<T>() + t * width * length;
          for (int64_t j = 0; j < length; ++j) {
            // The token that stands j - half columns further, if there is one: it is no more tokens away.
            int64_t other = t + j - half;
            if (index && other != t) {
              const int64_t step = other > t ? 1 : -1;
              other = t;
              while (other + step >= start[s] && other + step < start[s + 1] &&
                     step * (index[other + step] - index[t]) <= step * (j - half))
                other += step;
              if (index[other] - index[t] != j - half) other = -1;
            }
            const bool there = other >= start[s] && other < start[s + 1];
            const T* from = a.h.as<T>() + other * width;
            for (int64_t i = 0; i < width; ++i) to[i * length + j] = there ? from[i] : T{};
          }
        }
      });
    }
  });
}

void conv_block(const ConvSpec& spec, const ConvWeights& weights, Space& a, int64_t begin, int64_t end,
                TensorView residual, TensorView to) {
  ops::linear(slice(a.unfolded, begin, end), weights.in.weight, weights.in.bias, spec.act, residual, to);
}

}  // namespace fastplm
