#include "model/loader.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "model/balance.h"
#include "ops/convert.h"
#include "ops/dispatch.h"

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

Loader::Loader(const Arch& arch, const ModelClass& kind)
    : arch_(arch), prefix_(kind.prefix ? kind.prefix : arch.prefix) {}

std::string Loader::name_in(const WeightRow& row, int64_t layer) {
  std::string name = row.name;
  if (const size_t at = name.find("{n}"); at != std::string::npos) name.replace(at, 3, std::to_string(layer));
  return name;
}

std::vector<std::string> Loader::names_of(const std::string& name, std::string_view kind) const {
  // Checkpoints converted from TensorFlow call a norm's weight and bias gamma and beta.
  const std::string_view older = kind == ".weight" ? ".gamma" : kind == ".bias" ? ".beta" : kind;
  std::vector<std::string> names;
  for (std::string_view ending : {kind, older}) {
    for (const std::string& prefix : {std::string(), prefix_}) names.push_back((prefix + name).append(ending));
  }
  return names;
}

std::vector<std::string> Loader::names_of(const char* slot, int64_t layer, const char* kind) const {
  std::vector<std::string> names;
  for_rows(slot, [&](const WeightRow& row) {
    std::ranges::move(names_of(name_in(row, layer), ending(row, kind)), std::back_inserter(names));
    return false;  // all alternatives
  });
  return names;
}

static std::vector<std::string> joined(std::vector<std::string> first, std::vector<std::string> then) {
  std::ranges::move(then, std::back_inserter(first));
  return first;
}

// The table that others stand for, or else the projection stands for it.
std::vector<std::string> Loader::shared_names() const {
  std::vector<std::string> names =
      joined(names_of("embed.shared", 0, ".weight"), names_of("embed.tokens", 0, ".weight"));
  return projection_ ? joined(std::move(names), names_of(projection_, ".weight")) : names;
}

std::vector<std::string> Loader::token_names() const {
  std::vector<std::string> own = names_of("embed.tokens", 0, ".weight");
  return tied_ ? joined(std::move(own), shared_names()) : own;
}

std::vector<std::string> Loader::projection_names() const {
  std::vector<std::string> own = names_of(projection_, ".weight");
  if (older_projection_) own = joined(std::move(own), names_of(older_projection_, ".weight"));
  return tied_ ? joined(std::move(own), shared_names()) : own;
}

Shape Loader::stored_shape(const Part& part, Load stored, int64_t k) const {
  const bool transposed = stored == Load::kTransposed,
             bare = for_rows(part.slot, [](const WeightRow& row) { return row.bare; });
  if (!bare) return transposed ? Shape{k, part.rows} : Shape{part.rows, k};
  const int64_t heads_of = transposed ? part.rows : k, first = transposed ? k : part.rows;
  return {first, heads_of / part.head_dim, part.head_dim};
}

Checkpoint::Checkpoint(const Arch& arch, const ModelClass& kind, const std::vector<TensorEntry>& entries, Format format,
                       Memory& memory)
    : Loader(arch, kind), format_(format), dtype_(ops::activation_of(format)), memory_(memory) {
  for (const TensorEntry& entry : entries) entries_.emplace(entry.name, &entry);
  holds_codes_ =
      std::ranges::any_of(entries, [](const TensorEntry& entry) { return entry.name.ends_with(".qweight"); });
  if (holds_codes_ && !ops::codes_of(format).bits)
    fail(ErrorKind::kUnsupported, "matrices are stored as integers; expected a format of integers");
}

const TensorEntry* Checkpoint::find(const std::vector<std::string>& names) const {
  for (const std::string& name : names) {
    if (const auto found = entries_.find(name); found != entries_.end()) return found->second;
  }
  return nullptr;
}

const WeightRow* Checkpoint::row_of(const std::string& slot, int64_t layer, const char* kind,
                                    const TensorEntry** entry) const {
  const WeightRow* found = nullptr;
  *entry = nullptr;
  for_rows(slot, [&](const WeightRow& row) {
    *entry = find_name(name_in(row, layer), ending(row, kind));
    if (*entry) found = &row;
    return found != nullptr;
  });
  return found;
}

bool Checkpoint::has(const std::string& slot, int64_t layer) const {
  const TensorEntry* entry;
  return row_of(slot, layer, ".weight", &entry) || coded(slot, layer);
}

Load Checkpoint::how(const std::string& slot, int64_t layer) const {
  const TensorEntry* entry;
  const WeightRow* row = row_of(slot, layer, ".weight", &entry);
  if (!row) row = row_of(slot, layer, ".qweight", &entry);
  return row ? row->load : Load::kAsIs;
}

const TensorEntry& Checkpoint::require(const std::string& slot, int64_t layer, const char* kind) {
  const TensorEntry* entry;
  if (row_of(slot, layer, kind, &entry)) return *entry;
  std::string name;
  if (!for_rows(slot, [&](const WeightRow& row) { return !(name = name_in(row, layer) + ending(row, kind)).empty(); }))
    fail(ErrorKind::kInternal, arch_.model_type, ": no row for the slot ", slot);
  fail(ErrorKind::kFile, "the checkpoint has no tensor \"", name, "\"; config.json calls for it");
}

const TensorEntry& Checkpoint::checked(const TensorEntry& entry, const Shape& shape) const {
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

MappedFile& Checkpoint::file(const TensorEntry& entry) {
  auto& file = files_[entry.path];
  if (!file) file = std::make_unique<MappedFile>(entry.path);
  return *file;
}

TensorView Checkpoint::view_of(const TensorEntry& entry) {
  return {const_cast<std::byte*>(file(entry).at(entry.offset, entry.bytes)), entry.dtype, Device::kCpu, entry.shape};
}

void Checkpoint::drop(const TensorEntry& entry) { file(entry).drop(entry.offset, entry.bytes); }

void Checkpoint::convert(const TensorEntry& entry, std::byte* to, DType dtype) {
  ops::convert(view_of(entry), {to, dtype, Device::kCpu, entry.shape});
  drop(entry);
}

TensorView Checkpoint::vector(const TensorEntry& entry, int64_t n) {
  TensorView view{memory_.take(n * 4), DType::kF32, Device::kCpu, {n}};
  convert(entry, view.as<std::byte>(), DType::kF32);
  return view;
}

TensorView Checkpoint::table(const char* slot, const Shape& shape, int64_t layer, Memory* aside) {
  const TensorEntry& entry = checked(require(slot, layer, ".weight"), shape);
  TensorView view{(aside ? *aside : memory_).take(shape.count() * 4), DType::kF32, Device::kCpu, shape};
  convert(entry, view.as<std::byte>(), DType::kF32);
  return view;
}

TensorView Checkpoint::blank(const Shape& shape, DType dtype) {
  return {memory_.take(shape.count() * size_of(dtype)), dtype, Device::kCpu, shape};
}

bool Checkpoint::same(const TensorEntry& a, const TensorEntry& b) {
  if (&a == &b) return true;
  if (a.dtype != b.dtype || a.shape != b.shape || a.bytes != b.bytes) return false;
  const bool equal = std::memcmp(view_of(a).data, view_of(b).data, size_t(a.bytes)) == 0;
  drop(a);
  drop(b);
  return equal;
}

TokenTable& Checkpoint::table_of(const TensorEntry& entry, int64_t vocab, int64_t width) {
  checked(entry, {vocab, width});
  for (auto& [known, table] : tables_) {
    if (same(*known, entry)) return table;
  }
  return tables_[&entry];
}

void Checkpoint::pack_table(const TensorEntry& entry, TokenTable& table) {
  table.packed = matrix(format_of(dtype_), entry.shape[0], entry.shape[1], memory_);
  ops::pack(view_of(entry), false, table.packed);
  drop(entry);
}

TokenTable Checkpoint::tokens(int64_t vocab, int64_t width) {
  const TensorEntry* own = find(token_names());
  const TensorEntry& entry = own ? *own : require("embed.tokens", 0, ".weight");
  const TensorEntry* projection = projection_ ? find(projection_names()) : nullptr;
  TokenTable& table = table_of(entry, vocab, width);
  if (table.rows || table.packed) return table;
  if (projection && same(entry, checked(*projection, {vocab, width}))) {
    pack_table(entry, table);
  } else {
    table.rows = {memory_.take(vocab * width * size_of(dtype_)), dtype_, Device::kCpu, {vocab, width}};
    convert(entry, table.rows.as<std::byte>(), dtype_);
  }
  return table;
}

LinearWeights Checkpoint::projection(int64_t vocab, int64_t width) {
  const TensorEntry* entry = find(projection_names());
  if (!entry) return named_linear(projection_, nullptr, vocab, width, false);
  TokenTable& table = table_of(*entry, vocab, width);
  if (!table.packed) pack_table(*entry, table);
  return {.weight = table.packed, .bias = {}};
}

NormWeights Checkpoint::norm(const std::string& slot, int64_t layer, int64_t width, bool bias) {
  NormWeights norm{vector(checked(require(slot, layer, ".weight"), {width}), width), {}};
  if (how(slot, layer) == Load::kLessOne) {
    for (int64_t i = 0; i < width; ++i) norm.weight.as<float>()[i] += 1.0f;
  }
  if (bias) norm.bias = vector(checked(require(slot, layer, ".bias"), {width}), width);
  return norm;
}

ops::PackedWeight Checkpoint::matrix(Format format, int64_t n, int64_t k, Memory& memory) {
  return {memory.take(ops::packed_bytes(format, n, k)), format, n, k};
}

static TensorView transposed(TensorView matrix, Buffer& memory) {   // of floats
  const int64_t rows = matrix.shape[0], columns = matrix.shape[1], size = size_of(matrix.dtype);
  memory = Buffer(rows * columns * size);
  for (int64_t i = 0; i < rows; ++i) {
    const std::byte* from = matrix.as<std::byte>() + i * columns * size;
    for (int64_t j = 0; j < columns; ++j)
      std::memcpy(memory.data() + (j * rows + i) * size, from + j * size, size_t(size));
  }
  return {memory.data(), matrix.dtype, Device::kCpu, {columns, rows}};
}

// All parts become rows of k values. head_dim: of Load::kByHead.
void Checkpoint::pack_parts(const std::vector<const TensorEntry*>& parts, Load stored_as, int64_t head_dim,
                            const ops::PackedWeight& weight, const ops::Factors& factors) {
  const int64_t k = weight.k;
  DType stored = parts[0]->dtype;
  for (const TensorEntry* part : parts) {
    if (part->dtype != parts[0]->dtype) stored = DType::kF32;
  }
  std::vector<Buffer> copies;   // of parts that are transposed, or of several dtypes, as transformers writes none
  std::vector<const void*> rows;
  for (const TensorEntry* part : parts) {
    TensorView view = view_of(*part);
    if (view.dtype != stored) {
      copies.emplace_back(view.shape.count() * 4);
      const TensorView copy{copies.back().data(), DType::kF32, Device::kCpu, view.shape};
      ops::convert(view, copy);
      view = copy;
    }
    if (stored_as == Load::kTransposed) {
      view.shape = {k, view.shape.count() / k};
      view = transposed(view, copies.emplace_back());
    }
    for (int64_t i = 0, n = view.shape.count() / k; i < n; ++i)
      rows.push_back(view.as<std::byte>() + i * k * size_of(view.dtype));
  }
  ops::pack_rows(in_order(std::move(rows), stored_as, head_dim), stored, weight, factors);
  for (const TensorEntry* part : parts) drop(*part);
}

LinearWeights Checkpoint::linear(const std::vector<Part>& parts, int64_t layer, int64_t k, bool bias,
                                 const ops::Factors& factors, Memory* aside) {
  Memory& memory = aside ? *aside : memory_;
  std::vector<const TensorEntry*> weights, biases;   // all found and checked before memory is taken
  int64_t n = 0;
  const Load stored = how(parts[0].slot, layer);
  const bool integers = coded(parts[0].slot, layer), whole = stored == Load::kTransposed && parts.size() == 1;
  for (const Part& part : parts) {
    const Shape shape = stored_shape(part, stored, k);
    if (!integers) weights.push_back(&checked(require(part.slot, layer, ".weight"), shape));
    if (bias) biases.push_back(&checked(require(part.slot, layer, ".bias"), {part.rows}));
    n += part.rows;
  }
  const bool of_layer = !parts[0].slot.starts_with("embed.") && !parts[0].slot.starts_with("last.");
  const bool rounded = integers || (!holds_codes_ && of_layer);
  if (!rounded && !(factors.rows.empty() && factors.columns.empty())) {
    fail(ErrorKind::kFile, "\"", weights[0]->name,
         "\" is stored as floats, and what it is balanced with as integers; expected one of both for all");
  }
  LinearWeights linear{.weight = matrix(rounded ? format_ : format_of(dtype_), n, k, memory), .bias = {}};
  if (integers) {
    pack_coded(parts, layer, linear.weight);
  } else if (whole) {
    TensorView view = view_of(*weights[0]);
    view.shape = {k, n};
    ops::pack(view, true, linear.weight, factors);
    drop(*weights[0]);
  } else {
    pack_parts(weights, stored, parts[0].head_dim, linear.weight, factors);
  }
  if (coded_ && rounded) record(weights, stored, parts[0].head_dim, linear.weight);
  if (!bias) return linear;
  linear.bias = {memory.take(n * 4), DType::kF32, Device::kCpu, {n}};
  std::byte* to = linear.bias.as<std::byte>();
  for (size_t p = 0; p < parts.size(); ++p) {
    convert(*biases[p], to, DType::kF32);
    to += parts[p].rows * 4;
  }
  float* values = linear.bias.as<float>();
  std::ranges::copy(in_order(std::vector(values, values + n), stored, parts[0].head_dim), values);
  multiply(linear.bias, factors.rows);
  return linear;
}

LinearWeights Checkpoint::convolution(const std::string& slot, int64_t n, int64_t k, int64_t length) {
  const TensorEntry& entry = checked(require(slot, 0, ".weight"), {n, k, length});
  TensorView view = view_of(entry);
  view.shape = {n, k * length};
  LinearWeights linear;
  linear.weight = matrix(format_of(dtype_), n, k * length, memory_);
  ops::pack(view, false, linear.weight);
  drop(entry);
  linear.bias = vector(checked(require(slot, 0, ".bias"), {n}), n);
  return linear;
}

bool Checkpoint::has_vector(const std::string& slot, int64_t layer) const {
  const TensorEntry* entry;
  return row_of(slot, layer, "", &entry) != nullptr;
}

TensorView Checkpoint::vectors(const std::vector<Part>& parts, int64_t layer) {
  int64_t n = 0;
  for (const Part& part : parts) n += part.rows;
  const TensorView all = filled(n, 0.0f);
  std::byte* to = all.as<std::byte>();
  for (const Part& part : parts) {
    if (named(part.slot)) convert(checked(require(part.slot, layer, ""), {part.rows}), to, DType::kF32);
    to += part.rows * 4;
  }
  return all;
}

TensorView Checkpoint::filled(int64_t n, float value) {
  TensorView view{memory_.take(n * 4), DType::kF32, Device::kCpu, {n}};
  std::fill_n(view.as<float>(), n, value);
  return view;
}

// Two uniform numbers of a counter make two normal ones (Box and Muller); splitmix64 mixes the counter.
TensorView Checkpoint::drawn(const std::string& name, int64_t n, int64_t k) {
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

LinearWeights Checkpoint::named_linear(const char* name, const char* bias_name, int64_t n, int64_t k, bool bias) {
  LinearWeights linear;
  linear.weight = matrix(format_of(dtype_), n, k, memory_);
  if (const TensorEntry* entry = find_name(name, ".weight")) {
    ops::pack(view_of(checked(*entry, {n, k})), false, linear.weight);
    drop(*entry);
  } else {
    missing_.push_back(std::string(name) + ".weight");
    ops::pack(drawn(name, n, k), false, linear.weight);
  }
  if (bias) linear.bias = named_bias(bias_name ? bias_name : std::string(name) + ".bias", n, false);
  return linear;
}

TensorView Checkpoint::named_bias(const std::string& name, int64_t n, bool quiet) {
  if (const TensorEntry* entry = find_name(name, "")) {
    return vector(checked(*entry, entry->shape.rank == 2 ? Shape{1, n} : Shape{n}), n);
  }
  if (!quiet) missing_.push_back(name);
  return filled(n, 0.0f);
}

NormWeights Checkpoint::named_norm(const char* name, int64_t width, bool bias) {
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
