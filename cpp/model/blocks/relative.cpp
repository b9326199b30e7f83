#include "model/blocks/relative.h"

#include <algorithm>
#include <cstring>

#include "ops/convert.h"
#include "ops/dispatch.h"
#include "ops/norm.h"

namespace fastplm {

TensorView load_positions(Loader& load, const RelativeKeys& spec, int64_t width, Memory& aside) {
  const TensorView table = load.table("attention.positions", {spec.count, width}, 0, &aside);
  NormWeights norm;
  if (spec.norm) norm = load.norm("attention.positions_norm", 0, width, spec.norm->bias);
  if (!table) return table;
  if (spec.norm) ops::norm(table, spec.norm->kind, norm.weight, norm.bias, spec.norm->eps, table);
  for (int64_t first = 0, last = spec.count - 1; first < last; ++first, --last) {
    float* rows = table.as<float>();
    std::swap_ranges(rows + first * width, rows + (first + 1) * width, rows + last * width);
  }
  return table;
}

static TensorView project(TensorView positions, const LinearWeights& weights, Memory& aside) {
  const DType dtype = ops::activation_of(weights.weight.format);
  const int64_t count = positions.shape[0], n = weights.weight.n;
  TensorView h = positions;
  if (dtype != DType::kF32) {
    h = {aside.take(positions.shape.count() * size_of(dtype)), dtype, Device::kCpu, positions.shape};
    ops::convert(positions, h);
  }
  const TensorView y{aside.take(count * n * size_of(dtype)), dtype, Device::kCpu, {count, n}};
  ops::linear(h, weights.weight, weights.bias, Act::kNone, {}, y);
  return y;
}

ops::RelativePositions load_relative(Loader& load, const AttentionSpec& attention, const RelativeKeys& spec,
                                     const LinearWeights& in, TensorView positions, int64_t width, int64_t layer) {
  const int64_t heads = attention.heads, head_dim = attention.head_dim, inner = attention.inner(), count = spec.count;
  Memory aside;
  LinearWeights key, query;
  if (spec.keys && !spec.shared)
    key = load.linear({{"attention.position_key", inner}}, layer, width, spec.key_bias, {}, &aside);
  if (spec.queries && !spec.shared)
    query = load.linear({{"attention.position_query", inner}}, layer, width, true, {}, &aside);
  if (!positions) return {};
  const DType dtype = ops::activation_of(in.weight.format);
  const int64_t size = size_of(dtype);
  const TensorView shared = spec.shared ? project(positions, in, aside) : TensorView{};   // queries, keys and values
  const int64_t ld = spec.shared ? shared.shape[1] : inner;
  ops::RelativePositions made{.count = count};
  if (spec.keys) {
    const std::byte* from =
        spec.shared ? shared.as<std::byte>() + inner * size : project(positions, key, aside).as<std::byte>();
    const int64_t bytes = ops::packed_bytes(format_of(dtype), count, head_dim);
    std::byte* to = load.blank({heads * bytes}, DType::kU8).as<std::byte>();
    for (int64_t h = 0; h < heads; ++h) {
      std::vector<const void*> rows;
      for (int64_t p = 0; p < count; ++p) rows.push_back(from + (p * ld + h * head_dim) * size);
      ops::pack_rows(rows, dtype, {to + h * bytes, format_of(dtype), count, head_dim});
    }
    made.keys = to;
  }
  if (spec.queries) {
    const std::byte* from = (spec.shared ? shared : project(positions, query, aside)).as<std::byte>();
    std::byte* to = load.blank({count, inner}, dtype).as<std::byte>();
    for (int64_t p = 0; p < count; ++p) std::memcpy(to + p * inner * size, from + p * ld * size, size_t(inner * size));
    made.queries = {to, inner};
  }
  return made;
}

}  // namespace fastplm
