#include "model/loader.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "ops/convert.h"

namespace fastplm {

// Slabs, so that thousands of small tensors do not each take pages of their own.
std::byte* Memory::take(int64_t size) {
  constexpr int64_t kSlab = 32 << 20;
  size = (size + kAlign - 1) / kAlign * kAlign;
  bytes += size;
  if (slabs.empty() || used_ + size > slabs.back().size()) {
    slabs.emplace_back(std::max(size, kSlab));
    used_ = 0;
  }
  std::byte* piece = slabs.back().data() + used_;
  used_ += size;
  return piece;
}

Loader::Loader(const Arch& arch, const ModelClass& kind, const std::vector<TensorEntry>& entries, DType dtype,
               Memory& memory)
    : arch_(arch), prefix_(kind.prefix ? kind.prefix : arch.prefix), dtype_(dtype), memory_(memory) {
  for (const TensorEntry& entry : entries) entries_.emplace(entry.name, &entry);
}

static std::string name_in(const WeightRow& row, int64_t layer) {
  std::string name = row.name;
  if (const size_t at = name.find("{n}"); at != std::string::npos) name.replace(at, 3, std::to_string(layer));
  return name;
}

const TensorEntry* Loader::find_name(const std::string& name, std::string_view kind) const {
  // Checkpoints converted from TensorFlow call a norm's weight and bias gamma and beta.
  const std::string_view older = kind == ".weight" ? ".gamma" : kind == ".bias" ? ".beta" : kind;
  for (std::string_view ending : {kind, older}) {
    for (const std::string& prefix : {std::string(), prefix_}) {
      const auto found = entries_.find(std::string(prefix).append(name).append(ending));
      if (found != entries_.end()) return found->second;
    }
  }
  return nullptr;
}

const WeightRow* Loader::row_of(const std::string& slot, int64_t layer, const char* kind,
                                const TensorEntry** entry) const {
  for (const WeightRow& row : rows_) {
    if (slot != row.slot) continue;
    *entry = find_name(name_in(row, layer), kind);
    if (*entry) return &row;
  }
  *entry = nullptr;
  return nullptr;
}

bool Loader::has(const std::string& slot, int64_t layer) const {
  const TensorEntry* entry;
  return row_of(slot, layer, ".weight", &entry) != nullptr;
}

Load Loader::how(const std::string& slot, int64_t layer) const {
  const TensorEntry* entry;
  const WeightRow* row = row_of(slot, layer, ".weight", &entry);
  return row ? row->load : Load::kAsIs;
}

const TensorEntry& Loader::require(const std::string& slot, int64_t layer, const char* kind) {
  const TensorEntry* entry;
  if (row_of(slot, layer, kind, &entry)) return *entry;
  const auto row = std::ranges::find_if(rows_, [&](const WeightRow& r) { return slot == r.slot; });
  if (row == rows_.end()) fail(ErrorKind::kInternal, arch_.model_type, ": no row for the slot ", slot);
  fail(ErrorKind::kFile, "the checkpoint has no tensor \"", name_in(*row, layer), kind, "\"; config.json calls for it");
}

const TensorEntry& Loader::checked(const TensorEntry& entry, const Shape& shape) const {
  if (entry.shape != shape) {
    fail(ErrorKind::kFile, entry.path, ": tensor \"", entry.name, "\" has shape ", entry.shape,
         "; config.json calls for ", shape);
  }
  if (entry.dtype != DType::kF32 && entry.dtype != DType::kF16 && entry.dtype != DType::kBF16) {
    fail(ErrorKind::kUnsupported, entry.path, ": tensor \"", entry.name, "\" is ", entry.dtype,
         "; expected f32, f16 or bf16");
  }
  if (entry.bytes != shape.count() * size_of(entry.dtype)) {
    fail(ErrorKind::kFile, entry.path, ": tensor \"", entry.name, "\" takes ", entry.bytes,
         " bytes; its shape and dtype need ", shape.count() * size_of(entry.dtype));
  }
  return entry;
}

MappedFile& Loader::file(const TensorEntry& entry) {
  auto& file = files_[entry.path];
  if (!file) file = std::make_unique<MappedFile>(entry.path);
  return *file;
}

TensorView Loader::view_of(const TensorEntry& entry) {
  return {const_cast<std::byte*>(file(entry).at(entry.offset, entry.bytes)), entry.dtype, Device::kCpu, entry.shape};
}

void Loader::drop(const TensorEntry& entry) { file(entry).drop(entry.offset, entry.bytes); }

void Loader::convert(const TensorEntry& entry, std::byte* to, DType dtype) {
  ops::convert(view_of(entry), {to, dtype, Device::kCpu, entry.shape});
  drop(entry);
}

TensorView Loader::vector(const TensorEntry& entry, int64_t n) {
  TensorView view{memory_.take(n * 4), DType::kF32, Device::kCpu, {n}};
  convert(entry, view.as<std::byte>(), DType::kF32);
  return view;
}

TensorView Loader::table(const char* slot, const Shape& shape) {
  const TensorEntry& entry = checked(require(slot, 0, ".weight"), shape);
  TensorView view{memory_.take(shape.count() * 4), DType::kF32, Device::kCpu, shape};
  convert(entry, view.as<std::byte>(), DType::kF32);
  return view;
}

const TensorEntry* Loader::shared_tokens() const {
  const TensorEntry* entry;
  for (const char* slot : {"embed.shared", "embed.tokens"}) {
    if (row_of(slot, 0, ".weight", &entry)) return entry;
  }
  return projection_ ? find_name(projection_, ".weight") : nullptr;
}

const TensorEntry* Loader::projection_entry() const {
  const TensorEntry* own = find_name(projection_, ".weight");
  return own || !tied_ ? own : shared_tokens();
}

bool Loader::same(const TensorEntry& a, const TensorEntry& b) {
  if (&a == &b) return true;
  if (a.dtype != b.dtype || a.shape != b.shape || a.bytes != b.bytes) return false;
  const bool equal = std::memcmp(view_of(a).data, view_of(b).data, size_t(a.bytes)) == 0;
  drop(a);
  drop(b);
  return equal;
}

TokenTable& Loader::table_of(const TensorEntry& entry, int64_t vocab, int64_t width) {
  checked(entry, {vocab, width});
  for (auto& [known, table] : tables_) {
    if (same(*known, entry)) return table;
  }
  return tables_[&entry];
}

TokenTable Loader::tokens(int64_t vocab, int64_t width) {
  const TensorEntry* own;
  if (!row_of("embed.tokens", 0, ".weight", &own) && tied_) own = shared_tokens();
  const TensorEntry& entry = own ? *own : require("embed.tokens", 0, ".weight");
  const TensorEntry* projection = projection_ ? projection_entry() : nullptr;
  TokenTable& table = table_of(entry, vocab, width);
  if (table.rows || table.packed) return table;
  if (projection && same(entry, checked(*projection, {vocab, width}))) {
    table.packed = {memory_.take(ops::packed_bytes(dtype_, vocab, width)), dtype_, vocab, width};
    ops::pack(view_of(entry), false, table.packed);
    drop(entry);
  } else {
    table.rows = {memory_.take(vocab * width * size_of(dtype_)), dtype_, Device::kCpu, {vocab, width}};
    convert(entry, table.rows.as<std::byte>(), dtype_);
  }
  return table;
}

LinearWeights Loader::projection(int64_t vocab, int64_t width) {
  const TensorEntry* entry = projection_entry();
  if (!entry) return named_linear(projection_, nullptr, vocab, width, false);
  TokenTable& table = table_of(*entry, vocab, width);
  if (!table.packed) {
    table.packed = {memory_.take(ops::packed_bytes(dtype_, vocab, width)), dtype_, vocab, width};
    ops::pack(view_of(*entry), false, table.packed);
    drop(*entry);
  }
  return {.weight = table.packed, .bias = {}};
}

NormWeights Loader::norm(const std::string& slot, int64_t layer, int64_t width, bool bias) {
  NormWeights norm{vector(checked(require(slot, layer, ".weight"), {width}), width), {}};
  if (bias) norm.bias = vector(checked(require(slot, layer, ".bias"), {width}), width);
  return norm;
}

// All parts have rows of k values.
ops::PackedWeight Loader::pack_parts(const std::vector<const TensorEntry*>& parts, int64_t k) {
  DType stored = parts[0]->dtype;
  int64_t n = 0;
  for (const TensorEntry* part : parts) {
    if (part->dtype != parts[0]->dtype) stored = DType::kF32;
    n += part->shape[0];
  }
  const ops::PackedWeight weight{memory_.take(ops::packed_bytes(dtype_, n, k)), dtype_, n, k};
  std::vector<Buffer> copies;   // of parts of several dtypes, which no checkpoint of transformers has
  std::vector<const void*> rows;
  for (const TensorEntry* part : parts) {
    TensorView view = view_of(*part);
    if (view.dtype != stored) {
      copies.emplace_back(view.shape.count() * 4);
      const TensorView copy{copies.back().data(), DType::kF32, Device::kCpu, view.shape};
      ops::convert(view, copy);
      view = copy;
    }
    for (int64_t i = 0; i < view.shape[0]; ++i) rows.push_back(view.as<std::byte>() + i * k * size_of(view.dtype));
  }
  ops::pack_rows(rows, stored, weight);
  for (const TensorEntry* part : parts) drop(*part);
  return weight;
}

LinearWeights Loader::linear(const std::vector<Part>& parts, int64_t layer, int64_t k, bool bias) {
  std::vector<const TensorEntry*> weights, biases;   // all found and checked before memory is taken
  int64_t n = 0;
  const bool transposed = how(parts[0].slot, layer) == Load::kTransposed;
  for (const Part& part : parts) {
    weights.push_back(
        &checked(require(part.slot, layer, ".weight"), transposed ? Shape{k, part.rows} : Shape{part.rows, k}));
    if (bias) biases.push_back(&checked(require(part.slot, layer, ".bias"), {part.rows}));
    n += part.rows;
  }
  LinearWeights linear;
  if (transposed) {
    if (parts.size() != 1) fail(ErrorKind::kInternal, "a transposed matrix in several parts");
    linear.weight = {memory_.take(ops::packed_bytes(dtype_, n, k)), dtype_, n, k};
    ops::pack(view_of(*weights[0]), true, linear.weight);
    drop(*weights[0]);
  } else {
    linear.weight = pack_parts(weights, k);
  }
  if (!bias) return linear;
  linear.bias = {memory_.take(n * 4), DType::kF32, Device::kCpu, {n}};
  std::byte* to = linear.bias.as<std::byte>();
  for (size_t p = 0; p < parts.size(); ++p) {
    convert(*biases[p], to, DType::kF32);
    to += parts[p].rows * 4;
  }
  return linear;
}

TensorView Loader::filled(int64_t n, float value) {
  TensorView view{memory_.take(n * 4), DType::kF32, Device::kCpu, {n}};
  std::fill_n(view.as<float>(), n, value);
  return view;
}

// Two uniform numbers of a counter make two normal ones (Box and Muller); splitmix64 mixes the counter.
TensorView Loader::drawn(const std::string& name, int64_t n, int64_t k) {
  uint64_t state = 0xcbf29ce484222325u;   // FNV-1a of the name: each weight its own
  for (char c : name) state = (state ^ uint8_t(c)) * 0x100000001b3u;
  const auto uniform = [&] {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return double((z ^ (z >> 31)) >> 11) * 0x1p-53;
  };
  scratch_ = Buffer(n * k * 4);
  float* values = scratch_.as<float>();
  for (int64_t i = 0; i < n * k; i += 2) {
    const double radius = deviation_ * std::sqrt(-2.0 * std::log(1.0 - uniform())), angle = 2.0 * M_PI * uniform();
    values[i] = float(radius * std::cos(angle));
    if (i + 1 < n * k) values[i + 1] = float(radius * std::sin(angle));
  }
  return {values, DType::kF32, Device::kCpu, {n, k}};
}

LinearWeights Loader::named_linear(const char* name, const char* bias_name, int64_t n, int64_t k, bool bias) {
  LinearWeights linear;
  linear.weight = {memory_.take(ops::packed_bytes(dtype_, n, k)), dtype_, n, k};
  if (const TensorEntry* entry = find_name(name, ".weight")) {
    ops::pack(view_of(checked(*entry, {n, k})), false, linear.weight);
    drop(*entry);
  } else {
    missing_.push_back(std::string(name) + ".weight");
    ops::pack(drawn(name, n, k), false, linear.weight);
  }
  if (bias) linear.bias = named_bias(bias_name ? bias_name : (std::string(name) + ".bias").c_str(), n);
  return linear;
}

TensorView Loader::named_bias(const char* name, int64_t n, bool quiet) {
  if (const TensorEntry* entry = find_name(name, "")) {
    return vector(checked(*entry, entry->shape.rank == 2 ? Shape{1, n} : Shape{n}), n);
  }
  if (!quiet) missing_.push_back(name);
  return filled(n, 0.0f);
}

NormWeights Loader::named_norm(const char* name, int64_t width, bool bias) {
  NormWeights norm;
  if (const TensorEntry* entry = find_name(name, ".weight")) {
    norm.weight = vector(checked(*entry, {width}), width);
  } else {
    missing_.push_back(std::string(name) + ".weight");
    norm.weight = filled(width, 1.0f);
  }
  if (!bias) return norm;
  if (const TensorEntry* entry = find_name(name, ".bias")) {
    norm.bias = vector(checked(*entry, {width}), width);
  } else {
    missing_.push_back(std::string(name) + ".bias");
    norm.bias = filled(width, 0.0f);
  }
  return norm;
}

}  // namespace fastplm
