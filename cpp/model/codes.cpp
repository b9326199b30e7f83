// Matrices of integers in a checkpoint: read, balanced and written.
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/error.h"
#include "model/balance.h"
#include "ops/dispatch.h"

namespace fastplm {
namespace {

constexpr std::string_view kWeight = ".weight", kCodes = ".qweight";

struct Sizes {   // of one row, in bytes
  int64_t codes, scales, zeros;
};

Sizes sizes_of(const CodeLayout& layout, int64_t k) {
  const int64_t groups = layout.group ? (k + layout.group - 1) / layout.group : 1;
  return {(k * layout.bits + 7) / 8, groups * size_of(layout.scale), layout.zeros ? groups : 0};
}

// The name of a tensor that stands beside the one called `name`.
std::string beside(const std::string& name, std::string_view kind) {
  const size_t own = name.ends_with(kCodes) ? kCodes.size() : name.ends_with(kWeight) ? kWeight.size() : 0;
  return name.substr(0, name.size() - own).append(kind);
}

}  // namespace

const TensorEntry* Checkpoint::coded(const std::string& slot, int64_t layer) const {
  const TensorEntry* entry;
  return row_of(slot, layer, kCodes.data(), &entry) ? entry : nullptr;
}

const TensorEntry& Checkpoint::coded_part(const TensorEntry& codes, const char* kind, DType dtype,
                                          const Shape& shape) const {
  const std::string name = beside(codes.name, kind);
  const auto found = entries_.find(name);
  if (found == entries_.end()) {
    fail(ErrorKind::kFile, "the checkpoint has no tensor \"", name, "\"; its \"", codes.name, "\" calls for it");
  }
  const TensorEntry& entry = *found->second;
  if (entry.dtype != dtype || entry.shape != shape || entry.bytes != shape.count() * size_of(dtype)) {
    fail(ErrorKind::kFile, entry.path, ": tensor \"", name, "\" is ", entry.dtype, " of shape ", entry.shape,
         "; config.json calls for ", dtype, " of shape ", shape);
  }
  return entry;
}

void Checkpoint::pack_coded(const std::vector<Part>& parts, int64_t layer, const ops::PackedWeight& weight) {
  const CodeLayout layout = ops::codes_of(format_);
  const Sizes sizes = sizes_of(layout, weight.k);
  ops::CodedRows rows;
  std::vector<const TensorEntry*> used;
  const auto add = [&](const TensorEntry& entry, std::vector<void*>& to, int64_t bytes) {
    used.push_back(&entry);
    auto* from = view_of(entry).as<std::byte>();
    for (int64_t i = 0; i < entry.shape[0]; ++i) to.push_back(from + i * bytes);
  };
  for (const Part& part : parts) {
    const TensorEntry* codes = coded(part.slot, layer);
    if (!codes) {
      fail(ErrorKind::kFile, "\"", require(part.slot, layer, ".weight").name,
           "\" is stored as floats, and what it is one matrix with as integers; expected one of both for all");
    }
    const int64_t n = part.rows;
    add(coded_part(*codes, ".qweight", DType::kU8, {n, sizes.codes}), rows.codes, sizes.codes);
    const int64_t groups = sizes.scales / size_of(layout.scale);
    add(coded_part(*codes, ".scales", layout.scale, {n, groups}), rows.scales, sizes.scales);
    if (layout.zeros) add(coded_part(*codes, ".zeros", DType::kU8, {n, groups}), rows.zeros, sizes.zeros);
  }
  const Load stored = how(parts[0].slot, layer);
  for (auto* pointers : {&rows.codes, &rows.scales, &rows.zeros})
    *pointers = in_order(std::move(*pointers), stored, parts[0].head_dim);
  ops::pack_codes(rows, weight);
  for (const TensorEntry* entry : used) drop(*entry);
}

std::vector<float> Checkpoint::balance(const std::vector<Part>& parts, int64_t layer, int64_t k, int64_t share,
                                       int64_t head_dim) {
  if (!ops::codes_of(format_).bits) return {};
  std::vector<int8_t> exponents;
  if (holds_codes_) {
    const TensorEntry* codes = coded(parts[0].slot, layer);
    if (!codes || !entries_.contains(beside(codes->name, ".balance"))) return {};
    const TensorView view = view_of(coded_part(*codes, ".balance", DType::kU8, {k}));
    exponents.assign(view.as<int8_t>(), view.as<int8_t>() + k);
  } else {
    const Load stored = how(parts[0].slot, layer);
    const bool transposed = stored == Load::kTransposed;
    std::vector<float> sizes(size_t(k), 0.0f);
    for (const Part& part : parts) {
      const TensorEntry* entry;
      if (!row_of(part.slot, layer, kWeight.data(), &entry)) return {};   // linear() says so
      TensorView weight = view_of(checked(*entry, stored_shape(part, stored, k)));
      weight.shape = transposed ? Shape{k, part.rows} : Shape{part.rows, k};
      const std::vector<float> own = ops::column_sizes(weight, transposed);
      for (size_t i = 0; i < sizes.size(); ++i) sizes[i] = std::max(sizes[i], own[i]);
    }
    const auto meets = [&](int64_t i) { return i / (share * head_dim) * head_dim + i % head_dim; };
    std::vector<float> met(size_t(k / share), 0.0f);
    for (int64_t i = 0; i < k; ++i) met[size_t(meets(i))] = std::max(met[size_t(meets(i))], sizes[size_t(i)]);
    const std::vector<int8_t> found = balance_of(met);
    for (int64_t i = 0; i < k && !found.empty(); ++i) exponents.push_back(found[size_t(meets(i))]);
    if (coded_ && !exponents.empty()) {
      const TensorEntry* entry;
      row_of(parts[0].slot, layer, kWeight.data(), &entry);
      CodedTensor& made = coded_->emplace_back(CodedTensor{beside(entry->name, ".balance"), "", "I8", {k}, Buffer(k)});
      std::memcpy(made.values.data(), exponents.data(), size_t(k));
    }
  }
  std::vector<float> factors;
  for (int8_t exponent : exponents) {
    if (std::abs(exponent) > kMostBalance) {
      fail(ErrorKind::kFile, "a balance of 2^", int(exponent), "; expected exponents of at most ", kMostBalance);
    }
    factors.push_back(std::ldexp(1.0f, exponent));
  }
  return factors;
}

void Checkpoint::record(const std::vector<const TensorEntry*>& parts, Load stored_as, int64_t head_dim,
                        const ops::PackedWeight& weight) {
  const CodeLayout layout = ops::codes_of(weight.format);
  const Sizes sizes = sizes_of(layout, weight.k);
  const int64_t groups = sizes.scales / size_of(layout.scale);
  const char* scale_type = layout.scale == DType::kF16 ? "F16" : "F32";
  ops::CodedRows rows;
  for (const TensorEntry* part : parts) {
    const int64_t n = part->shape.count() / weight.k;
    const auto add = [&](const char* kind, const char* type, int64_t columns, int64_t bytes, std::vector<void*>& to) {
      CodedTensor& made = coded_->emplace_back(
          CodedTensor{beside(part->name, kind), part->name, type, {n, columns}, Buffer(n * bytes)});
      for (int64_t i = 0; i < n; ++i) to.push_back(made.values.data() + i * bytes);
    };
    add(kCodes.data(), layout.bits == 8 ? "I8" : "U8", sizes.codes, sizes.codes, rows.codes);
    add(".scales", scale_type, groups, sizes.scales, rows.scales);
    if (layout.zeros) add(".zeros", "U8", groups, sizes.zeros, rows.zeros);
  }
  for (auto* pointers : {&rows.codes, &rows.scales, &rows.zeros})
    *pointers = in_order(std::move(*pointers), stored_as, head_dim);
  ops::unpack_codes(weight, rows);
}

}  // namespace fastplm
