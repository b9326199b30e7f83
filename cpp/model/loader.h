// A checkpoint's tensors, found by the names of a family's rows, checked against the Spec and packed once.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/buffer.h"
#include "core/mapped_file.h"
#include "core/tensor.h"
#include "model/arch.h"
#include "ops/linear.h"

namespace fastplm {

// One entry of a checkpoint: what the safetensors header says, validated once already by the caller.
struct TensorEntry {
  std::string name;
  std::string path;
  DType dtype;
  Shape shape;
  int64_t offset, bytes;   // from the beginning of the file
};

struct LinearWeights {
  ops::PackedWeight weight;
  TensorView bias;   // f32, or empty
};

struct NormWeights {
  TensorView weight, bias;   // f32, or empty
};

// A table of token embeddings: rows, or packed so that a head can multiply with it too.
struct TokenTable {
  TensorView rows;   // [vocab, width] of the model's dtype
  ops::PackedWeight packed;
};

// What loaded weights view.
struct Memory {
  std::vector<Buffer> slabs;
  int64_t bytes = 0;

  std::byte* take(int64_t bytes);

 private:
  int64_t used_ = 0;
};

// Throws kFile naming the tensor that is missing or has the wrong shape, kUnsupported for its dtype.
class Loader {
 public:
  Loader(const Arch& arch, const ModelClass& kind, const std::vector<TensorEntry>& entries, DType dtype,
         Memory& memory);

  // From here on, slots are those of this stack.
  void use(std::span<const WeightRow> rows) { rows_ = rows; }
  bool has(const std::string& slot, int64_t layer) const;   // does the checkpoint hold it?

  TensorView table(const char* slot, const Shape& shape);   // f32

  // Tables of tokens, and the projection to the vocabulary called `projection` (null: the class has none), stand for
  // one another as arch.h says.
  void tie(bool tied, const char* projection) { tied_ = tied, projection_ = projection; }
  bool tied() const { return tied_; }
  TokenTable tokens(int64_t vocab, int64_t width);
  LinearWeights projection(int64_t vocab, int64_t width);  // drawn at random and noted in missing() if there is none
  NormWeights norm(const std::string& slot, int64_t layer, int64_t width, bool bias);

  // Several matrices on top of one another, as one: slots with their numbers of rows.
  struct Part {
    std::string slot;
    int64_t rows;
  };
  LinearWeights linear(const std::vector<Part>& parts, int64_t layer, int64_t k, bool bias);

  // Heads name their weights themselves. What the checkpoint lacks is drawn from a normal distribution (weights),
  // zero (biases) or one (norms), and noted in missing().
  bool has_named(const char* name) const { return find_name(name, "") != nullptr; }
  LinearWeights named_linear(const char* name, const char* bias_name, int64_t n, int64_t k, bool bias);
  NormWeights named_norm(const char* name, int64_t width, bool bias);
  TensorView named_bias(const char* name, int64_t n, bool quiet = false);  // quiet: not in missing()
  void initialise_with(double deviation) { deviation_ = deviation; }
  const std::vector<std::string>& missing() const { return missing_; }

  DType dtype() const { return dtype_; }

 private:
  Load how(const std::string& slot, int64_t layer) const;  // as the checkpoint stores it; kAsIs if it lacks it
  const WeightRow* row_of(const std::string& slot, int64_t layer, const char* kind, const TensorEntry** entry) const;
  const TensorEntry* find_name(const std::string& name, std::string_view kind) const;
  const TensorEntry& require(const std::string& slot, int64_t layer, const char* kind);
  const TensorEntry& checked(const TensorEntry& entry, const Shape& shape) const;
  TensorView vector(const TensorEntry& entry, int64_t n);
  const TensorEntry* shared_tokens() const;
  const TensorEntry* projection_entry() const;
  bool same(const TensorEntry& a, const TensorEntry& b);  // are they, byte for byte?
  TokenTable& table_of(const TensorEntry& entry, int64_t vocab, int64_t width);
  TensorView view_of(const TensorEntry& entry);  // never written through
  void drop(const TensorEntry& entry);
  MappedFile& file(const TensorEntry& entry);
  void convert(const TensorEntry& entry, std::byte* to, DType dtype);
  TensorView filled(int64_t n, float value);
  TensorView drawn(const std::string& name, int64_t n, int64_t k);  // in scratch_, until the next one
  ops::PackedWeight pack_parts(const std::vector<const TensorEntry*>& parts, int64_t k);

  const Arch& arch_;
  const std::string prefix_;  // what checkpoints of models with a head put before every name
  DType dtype_;
  Memory& memory_;
  std::span<const WeightRow> rows_;
  double deviation_ = 0.02;
  std::vector<std::string> missing_;
  Buffer scratch_;
  std::map<std::string, const TensorEntry*, std::less<>> entries_;
  std::map<std::string, std::unique_ptr<MappedFile>> files_;
  bool tied_ = false;
  const char* projection_ = nullptr;
  std::map<const TensorEntry*, TokenTable> tables_;  // two stacks and the projection may share one
};

}  // namespace fastplm
