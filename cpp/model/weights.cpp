#include "model/weights.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "ops/convert.h"

namespace fastplm {
namespace {

class Loader {
 public:
  Loader(const Arch& arch, const std::vector<TensorEntry>& entries, DType dtype, Weights& out)
      : arch_(arch), dtype_(dtype), out_(out) {
    for (const TensorEntry& entry : entries) entries_.emplace(entry.name, &entry);
  }

  bool has(Slot slot) const { return find(slot, 0, ".weight") != nullptr; }

  // A table kept as it is, as f32 or as the model's dtype.
  TensorView table(Slot slot, const Shape& shape, DType dtype) {
    const TensorEntry& entry = require(slot, 0, ".weight", shape);
    TensorView view{take(shape.count() * size_of(dtype)), dtype, Device::kCpu, shape};
    convert(entry, view.as<std::byte>(), dtype);
    return view;
  }

  NormWeights norm(Slot slot, int64_t layer, int64_t dim, bool bias) {
    return {vector(slot, layer, ".weight", dim), bias ? vector(slot, layer, ".bias", dim) : TensorView{}};
  }

  // One matrix [n, k], or several of n / slots rows each on top of one another.
  LinearWeights linear(std::vector<Slot> slots, int64_t layer, int64_t n, int64_t k, bool bias) {
    const int64_t parts = int64_t(slots.size()), rows = n / parts;
    std::vector<const TensorEntry*> weights, biases;   // all found and checked before memory is taken
    for (Slot slot : slots) {
      weights.push_back(&require(slot, layer, ".weight", {rows, k}));
      if (bias) biases.push_back(&require(slot, layer, ".bias", {rows}));
    }
    LinearWeights linear;
    linear.weight = {take(ops::packed_bytes(dtype_, n, k)), dtype_, n, k};
    if (parts == 1) {
      ops::pack(view_of(*weights[0]), false, linear.weight);
      drop(*weights[0]);
    } else {   // their panels need not begin where the parts do: stacked first
      Buffer stack(n * k * int64_t(sizeof(float)));
      for (int64_t i = 0; i < parts; ++i) convert(*weights[size_t(i)], stack.data() + i * rows * k * 4, DType::kF32);
      ops::pack({stack.data(), DType::kF32, Device::kCpu, {n, k}}, false, linear.weight);
    }
    if (!bias) return linear;
    linear.bias = {take(n * 4), DType::kF32, Device::kCpu, {n}};
    for (int64_t i = 0; i < parts; ++i)
      convert(*biases[size_t(i)], linear.bias.as<std::byte>() + i * rows * 4, DType::kF32);
    return linear;
  }

  bool has_rows_for(Slot slot) const {
    return std::ranges::any_of(arch_.weights, [&](const WeightRow& row) { return row.slot == slot; });
  }

 private:
  TensorView vector(Slot slot, int64_t layer, const char* kind, int64_t dim) {
    const TensorEntry& entry = require(slot, layer, kind, {dim});
    TensorView view{take(dim * 4), DType::kF32, Device::kCpu, {dim}};
    convert(entry, view.as<std::byte>(), DType::kF32);
    return view;
  }

  static std::string name_in(const WeightRow& row, int64_t layer, std::string_view kind) {
    std::string name = row.name;
    if (const size_t at = name.find("{n}"); at != std::string::npos) name.replace(at, 3, std::to_string(layer));
    return name.append(kind);
  }

  const TensorEntry* find(Slot slot, int64_t layer, std::string_view kind) const {
    // Checkpoints converted from TensorFlow call a norm's weight and bias gamma and beta.
    const char* older = kind == ".weight" ? ".gamma" : ".beta";
    for (const WeightRow& row : arch_.weights) {
      if (row.slot != slot) continue;
      for (std::string_view ending : {kind, std::string_view(older)}) {
        const std::string name = name_in(row, layer, ending);
        for (const std::string& full : {name, arch_.prefix + name}) {
          if (const auto found = entries_.find(full); found != entries_.end()) return found->second;
        }
      }
    }
    return nullptr;
  }

  const TensorEntry& require(Slot slot, int64_t layer, const char* kind, const Shape& shape) {
    const TensorEntry* entry = find(slot, layer, kind);
    if (!entry) {
      const auto row = std::ranges::find_if(arch_.weights, [&](const WeightRow& r) { return r.slot == slot; });
      fail(ErrorKind::kFile, "the checkpoint has no tensor \"", name_in(*row, layer, kind),
           "\"; config.json calls for one of shape ", shape);
    }
    if (entry->shape != shape) {
      fail(ErrorKind::kFile, entry->path, ": tensor \"", entry->name, "\" has shape ", entry->shape,
           "; config.json calls for ", shape);
    }
    if (entry->dtype != DType::kF32 && entry->dtype != DType::kF16 && entry->dtype != DType::kBF16) {
      fail(ErrorKind::kUnsupported, entry->path, ": tensor \"", entry->name, "\" is ", entry->dtype,
           "; expected f32, f16 or bf16");
    }
    if (entry->bytes != shape.count() * size_of(entry->dtype)) {
      fail(ErrorKind::kFile, entry->path, ": tensor \"", entry->name, "\" takes ", entry->bytes,
           " bytes; its shape and dtype need ", shape.count() * size_of(entry->dtype));
    }
    return *entry;
  }

  TensorView view_of(const TensorEntry& entry) {   // never written through
    return {const_cast<std::byte*>(file(entry).at(entry.offset, entry.bytes)), entry.dtype, Device::kCpu, entry.shape};
  }
  void drop(const TensorEntry& entry) { file(entry).drop(entry.offset, entry.bytes); }

  MappedFile& file(const TensorEntry& entry) {
    auto& file = files_[entry.path];
    if (!file) file = std::make_unique<MappedFile>(entry.path);
    return *file;
  }

  void convert(const TensorEntry& entry, std::byte* to, DType dtype) {
    ops::convert(view_of(entry), {to, dtype, Device::kCpu, entry.shape});
    drop(entry);
  }

  // Memory comes in slabs, so that thousands of small tensors do not each take pages of their own.
  std::byte* take(int64_t bytes) {
    constexpr int64_t kSlab = 32 << 20;
    bytes = (bytes + kAlign - 1) / kAlign * kAlign;
    out_.bytes += bytes;
    if (out_.memory.empty() || used_ + bytes > out_.memory.back().size()) {
      out_.memory.emplace_back(std::max(bytes, kSlab));
      used_ = 0;
    }
    std::byte* piece = out_.memory.back().data() + used_;
    used_ += bytes;
    return piece;
  }

  const Arch& arch_;
  DType dtype_;
  Weights& out_;
  std::map<std::string, const TensorEntry*, std::less<>> entries_;
  std::map<std::string, std::unique_ptr<MappedFile>> files_;
  int64_t used_ = 0;
};

}  // namespace

Weights load_weights(const Arch& arch, const Spec& spec, const std::vector<TensorEntry>& entries, DType dtype) {
  Weights out;
  Loader load(arch, entries, dtype, out);
  const int64_t width = spec.width;
  const bool norm_bias = spec.norm.bias;

  out.tokens = load.table(Slot::kTokenEmbed, {spec.embed.vocab, width}, dtype);
  if (spec.embed.segments) out.segments = load.table(Slot::kSegmentEmbed, {spec.embed.segments, width}, DType::kF32);
  if (spec.embed.positions)
    out.positions = load.table(Slot::kPositionEmbed, {spec.embed.positions->count, width}, DType::kF32);
  if (spec.embed.norm) out.embed_norm = load.norm(Slot::kEmbedNorm, 0, width, norm_bias);
  for (const AttentionSpec& attention : spec.attention) {
    if (const auto* bias = std::get_if<BucketBias>(&attention.score); bias && !out.distance_bias) {
      out.distance_bias = load.table(Slot::kDistanceBias, {bias->buckets, attention.heads}, DType::kF32);
    }
  }
  for (int64_t n = 0; n < spec.layers; ++n) {
    const AttentionSpec& attention = spec.attention_of(n);
    const int64_t inner = attention.heads * attention.head_dim;
    LayerWeights layer;
    if (n > 0 || spec.first_attention_norm) layer.attention_norm = load.norm(Slot::kAttentionNorm, n, width, norm_bias);
    layer.qkv = load.has_rows_for(Slot::kQkv)
                    ? load.linear({Slot::kQkv}, n, 3 * inner, width, attention.bias)
                    : load.linear({Slot::kQuery, Slot::kKey, Slot::kValue}, n, 3 * inner, width, attention.bias);
    layer.attention_out = load.linear({Slot::kAttentionOut}, n, width, inner, attention.bias);
    layer.mlp_norm = load.norm(Slot::kMlpNorm, n, width, norm_bias);
    const bool split = spec.mlp.gated && load.has_rows_for(Slot::kMlpGate);
    layer.mlp_up = load.linear(split ? std::vector{Slot::kMlpGate, Slot::kMlpUp} : std::vector{Slot::kMlpUp}, n,
                               spec.mlp.gated ? 2 * spec.mlp.width : spec.mlp.width, width, spec.mlp.bias);
    layer.mlp_down = load.linear({Slot::kMlpDown}, n, width, spec.mlp.width, spec.mlp.bias);
    out.layers.push_back(layer);
  }
  if (spec.final_norm) out.final_norm = load.norm(Slot::kFinalNorm, 0, width, norm_bias);
  if (spec.pooler && load.has(Slot::kPooler)) out.pooler = load.linear({Slot::kPooler}, 0, width, width, true);
  return out;
}

}  // namespace fastplm
