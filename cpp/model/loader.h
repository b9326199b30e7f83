// How blocks come by their weights; and a checkpoint's tensors, found by the names of a family's rows, checked against
// the Spec and packed once.
#pragma once
#include <algorithm>
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

// A tensor that stands for another in a checkpoint of integers.
struct CodedTensor {
  std::string name, replaces;   // replaces: or empty
  const char* type;             // as safetensors calls it
  Shape shape;
  Buffer values;
};

// What loaded weights view.
struct Memory {
  std::vector<Buffer> slabs;
  int64_t bytes = 0;

  std::byte* take(int64_t bytes);

 private:
  int64_t used_ = 0;
};

// The rows of queries, keys and values that lie head by head, brought together.
template <class Row>
std::vector<Row> from_heads(const std::vector<Row>& rows, int64_t head_dim) {
  std::vector<Row> out;
  const int64_t heads = int64_t(rows.size()) / (3 * head_dim);
  for (int64_t part = 0; part < 3; ++part) {
    for (int64_t head = 0; head < heads; ++head) {
      const auto first = rows.begin() + (3 * head + part) * head_dim;
      out.insert(out.end(), first, first + head_dim);
    }
  }
  return out;
}

// Rows as the model has them, from those that are stored.
template <class Row>
std::vector<Row> in_order(std::vector<Row> rows, Load stored, int64_t head_dim) {
  if (stored == Load::kByHead) return from_heads(rows, head_dim);
  if (stored == Load::kUpFirst) std::ranges::rotate(rows, rows.begin() + std::ssize(rows) / 2);
  return rows;
}

// What a block asks for its weights: a checkpoint, which loads them, or a description, which notes them.
class Loader {
 public:
  Loader(const Arch& arch, const ModelClass& kind);
  virtual ~Loader() = default;
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  // From here on, slots are those of this stack, "encoder" or "decoder".
  void use(const char* stack, std::span<const WeightRow> rows) {
    stack_ = stack;
    rows_ = rows;
  }
  virtual bool has(const std::string& slot, int64_t layer) const = 0;
  // Are several matrices stored as one, in the slot `whole`, or apart, one of them in the slot `part`?
  virtual bool as_one(const std::string& whole, const std::string& part, int64_t layer) const = 0;

  // `aside`: memory for what is not kept, in place of the model's.
  virtual TensorView table(const char* slot, const Shape& shape, int64_t layer = 0,
                           Memory* aside = nullptr) = 0;  // f32
  virtual TensorView blank(const Shape& shape, DType dtype = DType::kF32) = 0;  // to be filled

  // Tables of tokens, and the projection to the vocabulary called `projection` (null: the class has none), stand for
  // one another as arch.h says.
  // projection: of the head, to the vocabulary; older: its name in other checkpoints. Null without.
  void tie(bool tied, const char* projection, const char* older) {
    tied_ = tied, projection_ = projection, older_projection_ = older;
  }
  bool tied() const { return tied_; }
  virtual TokenTable tokens(int64_t vocab, int64_t width) = 0;
  virtual LinearWeights projection(int64_t vocab, int64_t width) = 0;
  virtual NormWeights norm(const std::string& slot, int64_t layer, int64_t width, bool bias) = 0;

  // Several matrices on top of one another, as one: slots with their numbers of rows.
  struct Part {
    std::string slot;
    int64_t rows;
    int64_t head_dim = 0;   // of attention's
  };
  // factors: of a format of integers; those of the rows are of the bias too, those of the columns come from balance().
  virtual LinearWeights linear(const std::vector<Part>& parts, int64_t layer, int64_t k, bool bias,
                               const ops::Factors& factors = {}, Memory* aside = nullptr) = 0;

  // Factors of the columns of that matrix (balance.h); empty where they stay. Columns (h share + s, d) of the same h
  // and d, of head_dim, have one factor. What comes in must be divided by them.
  virtual std::vector<float> balance(const std::vector<Part>& parts, int64_t layer, int64_t k, int64_t share = 1,
                                     int64_t head_dim = 1) = 0;

  // [n, k, length] as the weight [n, k length] of unfolded rows, and its bias.
  virtual LinearWeights convolution(const std::string& slot, int64_t n, int64_t k, int64_t length) = 0;

  // Vectors one behind another, f32; of slots that no row names, zeros.
  virtual TensorView vectors(const std::vector<Part>& parts, int64_t layer) = 0;
  virtual bool has_vector(const std::string& slot, int64_t layer) const = 0;

  // Heads name their weights themselves.
  virtual bool has_named(const std::string& name) const = 0;
  virtual LinearWeights named_linear(const char* name, const char* bias_name, int64_t n, int64_t k, bool bias) = 0;
  virtual NormWeights named_norm(const char* name, int64_t width, bool bias) = 0;
  virtual TensorView named_bias(const std::string& name, int64_t n, bool quiet) = 0;  // quiet: missing, no word of it

 protected:
  // Where a weight may be, in the order in which it is looked for.
  std::vector<std::string> names_of(const std::string& name, std::string_view kind) const;
  std::vector<std::string> names_of(const char* slot, int64_t layer, const char* kind) const;
  static const char* ending(const WeightRow& row, const char* kind) {  // a bare row's matrix has none
    return row.bare && kind == std::string_view(".weight") ? "" : kind;
  }
  std::vector<std::string> token_names() const;
  std::vector<std::string> projection_names() const;
  static std::string name_in(const WeightRow& row, int64_t layer);
  // Calls fn(row) for the alternatives of a slot, until it returns true; returns whether it did.
  template <class Fn>
  bool for_rows(const std::string& slot, const Fn& fn) const {
    return std::ranges::any_of(rows_, [&](const WeightRow& row) { return slot == row.slot && fn(row); });
  }
  Shape stored_shape(const Part& part, Load stored, int64_t k) const;  // of its weight
  size_t place_of(const std::string& slot) const {  // of its first row; the number of rows if it has none
    return size_t(std::ranges::find_if(rows_, [&](const WeightRow& row) { return slot == row.slot; }) - rows_.begin());
  }
  bool named(const std::string& slot) const { return place_of(slot) < rows_.size(); }
  const WeightRow& row_at(size_t place) const { return rows_[place]; }

  const Arch& arch_;
  const char* stack_ = "";
  const char *projection_ = nullptr, *older_projection_ = nullptr;

 private:
  std::vector<std::string> shared_names() const;

  const std::string prefix_;  // what checkpoints of models with a head put before every name
  std::span<const WeightRow> rows_;
  bool tied_ = false;
};

// A matrix stored as integers has, in place of <name>.weight, <name>.qweight [n, bytes], .scales and perhaps .zeros
// (ops::codes_of), and <name>.balance i8 [k], the exponents of its columns' factors, where it is balanced.
//
// Throws kFile naming the tensor that is missing or has the wrong shape, kUnsupported for its dtype. What a head lacks
// is drawn from a normal distribution (weights), zero (biases) or one (norms), and noted in missing().
class Checkpoint final : public Loader {
 public:
  // format: of the layers' matrices; tables, convolutions, the matrices of embeddings and of heads have that of its
  // activations.
  Checkpoint(const Arch& arch, const ModelClass& kind, const std::vector<TensorEntry>& entries, Format format,
             Memory& memory);

  bool has(const std::string& slot, int64_t layer) const override;
  bool as_one(const std::string& whole, const std::string&, int64_t layer) const override { return has(whole, layer); }
  TensorView table(const char* slot, const Shape& shape, int64_t layer, Memory* aside) override;
  TensorView blank(const Shape& shape, DType dtype) override;
  TokenTable tokens(int64_t vocab, int64_t width) override;
  LinearWeights projection(int64_t vocab, int64_t width) override;
  NormWeights norm(const std::string& slot, int64_t layer, int64_t width, bool bias) override;
  LinearWeights linear(const std::vector<Part>& parts, int64_t layer, int64_t k, bool bias, const ops::Factors& factors,
                       Memory* aside) override;
  std::vector<float> balance(const std::vector<Part>& parts, int64_t layer, int64_t k, int64_t share,
                             int64_t head_dim) override;
  LinearWeights convolution(const std::string& slot, int64_t n, int64_t k, int64_t length) override;
  TensorView vectors(const std::vector<Part>& parts, int64_t layer) override;
  bool has_vector(const std::string& slot, int64_t layer) const override;
  bool has_named(const std::string& name) const override { return find_name(name, "") != nullptr; }
  LinearWeights named_linear(const char* name, const char* bias_name, int64_t n, int64_t k, bool bias) override;
  NormWeights named_norm(const char* name, int64_t width, bool bias) override;
  TensorView named_bias(const std::string& name, int64_t n, bool quiet) override;

  // From here on, what a matrix of integers is stored as is put there too.
  void record_to(std::vector<CodedTensor>& coded) { coded_ = &coded; }
  void initialise_with(double deviation) { deviation_ = deviation; }
  const std::vector<std::string>& missing() const { return missing_; }

 private:
  Load how(const std::string& slot, int64_t layer) const;  // as the checkpoint stores it; kAsIs if it lacks it
  const WeightRow* row_of(const std::string& slot, int64_t layer, const char* kind, const TensorEntry** entry) const;
  const TensorEntry* find(const std::vector<std::string>& names) const;  // the first that there is
  const TensorEntry* find_name(const std::string& name, std::string_view kind) const {
    return find(names_of(name, kind));
  }
  const TensorEntry& require(const std::string& slot, int64_t layer, const char* kind);
  const TensorEntry& checked(const TensorEntry& entry, const Shape& shape) const;
  TensorView vector(const TensorEntry& entry, int64_t n);
  bool same(const TensorEntry& a, const TensorEntry& b);  // are they, byte for byte?
  TokenTable& table_of(const TensorEntry& entry, int64_t vocab, int64_t width);
  void pack_table(const TensorEntry& entry, TokenTable& table);
  TensorView view_of(const TensorEntry& entry);  // never written through
  void drop(const TensorEntry& entry);
  MappedFile& file(const TensorEntry& entry);
  void convert(const TensorEntry& entry, std::byte* to, DType dtype);
  TensorView filled(int64_t n, float value);
  TensorView drawn(const std::string& name, int64_t n, int64_t k);  // in scratch_, until the next one
  ops::PackedWeight matrix(Format format, int64_t n, int64_t k, Memory& memory);
  void pack_parts(const std::vector<const TensorEntry*>& parts, Load stored_as, int64_t head_dim,
                  const ops::PackedWeight& weight, const ops::Factors& factors);
  const TensorEntry* coded(const std::string& slot, int64_t layer) const;  // its codes; null: stored as floats
  const TensorEntry& coded_part(const TensorEntry& codes, const char* kind, DType dtype, const Shape& shape) const;
  void pack_coded(const std::vector<Part>& parts, int64_t layer, const ops::PackedWeight& weight);
  void record(const std::vector<const TensorEntry*>& parts, Load stored_as, int64_t head_dim,
              const ops::PackedWeight& weight);

  Format format_;
  DType dtype_;  // of activations
  Memory& memory_;
  bool holds_codes_;  // its matrices are integers already; those that are not stay floats
  std::vector<CodedTensor>* coded_ = nullptr;
  double deviation_ = 0.02;
  std::vector<std::string> missing_;
  Buffer scratch_;
  std::map<std::string, const TensorEntry*, std::less<>> entries_;
  std::map<std::string, std::unique_ptr<MappedFile>> files_;
  std::map<const TensorEntry*, TokenTable> tables_;  // two stacks and the projection may share one
};

}  // namespace fastplm
