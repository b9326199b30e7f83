// The CPU kernel table: one instance per ISA, chosen once (see select.cpp).
#pragma once
#include "core/export.h"
#include "kernels/args.h"

namespace fastplm {

// How matrices of one weight format are packed and multiplied with. A matrix [n, k] is packed as panels of `panel` of
// its n rows each, which are columns of the product; what is missing to the last one is zero.
struct FormatKernels {
  DType activation;     // of the rows that are multiplied with it
  int64_t panel;
  int64_t block_rows;   // rows that one register tile handles together
  int64_t row_value;    // bytes of one value of a row in the workspace
  int64_t max_k;        // of a matrix
  CodeLayout codes;
  int64_t (*panel_bytes)(int64_t k) noexcept;
  void (*pack_f32)(const PackArgs<float>&, Range panels) noexcept;
  void (*pack_f16)(const PackArgs<f16>&, Range panels) noexcept;
  void (*pack_bf16)(const PackArgs<bf16>&, Range panels) noexcept;
  void (*pack_codes)(const CodesArgs&, Range panels) noexcept;     // of formats with codes
  void (*unpack_codes)(const CodesArgs&, Range panels) noexcept;
  void (*gemm_rows)(const GemmArgs&, Range rows) noexcept;   // first: brings rows of a into the workspace
  void (*gemm)(const GemmArgs&, Range rows, Range panels) noexcept;
  int64_t (*gemm_workspace)(int64_t rows, int64_t k) noexcept;   // in bytes
};

template <class T>
struct FloatKernels {
  int64_t key_panel;   // keys that lie together: pages hold whole ones
  void (*norm)(const NormArgs<T>&, Range rows) noexcept;
  void (*head_norm)(const HeadNormArgs<T>&, Range rows) noexcept;
  void (*embed)(const EmbedArgs<T>&, Range rows) noexcept;
  void (*glu)(const GluArgs<T>&, Range rows) noexcept;
  void (*rope)(const RopeArgs<T>&, Range rows) noexcept;
  void (*write_keys)(const WriteKeysArgs<T>&) noexcept;
  void (*clear_values)(T* values, int64_t head_dim, int64_t page_rows, Range rows) noexcept;   // of a page
  void (*rows_to_codes)(const CodesOfRowsArgs<T>&) noexcept;   // rounds x
  void (*codes_to_rows)(const CodesOfRowsArgs<T>&) noexcept;   // writes x
  int64_t (*value_columns)(int64_t head_dim) noexcept;   // that a page holds for each row
  int64_t (*key_columns)(int64_t head_dim) noexcept;
  void (*attention)(const AttentionArgs<T>&) noexcept;
  int64_t (*attention_workspace)(int64_t head_dim, int64_t length, int64_t positions) noexcept;   // in bytes
  void (*from_f32)(const float* x, T* y, int64_t n) noexcept;
  void (*from_f16)(const f16* x, T* y, int64_t n) noexcept;
  void (*from_bf16)(const bf16* x, T* y, int64_t n) noexcept;
};

struct Train;   // kernels/train.h

struct Kernels {
  const char* name;
  FloatKernels<float> f32;
  FloatKernels<bf16> bf;
  FormatKernels formats[kFormats];
  const Train* train;
  void (*pool)(const PoolArgs&) noexcept;
  void (*softmax)(const SoftmaxArgs&, Range rows) noexcept;
  void (*ascii)(const char* text, AsciiClasses& classes) noexcept;   // of text[0 .. 64)
  uint64_t (*find_words)(const WordsArgs&) noexcept;   // a bit for each word that is not a token in its line

  const FormatKernels& of(Format format) const { return formats[int(format)]; }
  template <class T>
  const FloatKernels<T>& of() const {
    if constexpr (sizeof(T) == sizeof(float))
      return f32;
    else
      return bf;
  }
};

FASTPLM_EXPORT const Kernels& kernels();   // the table in use; FASTPLM_ISA=<name> overrides the choice

// Every table that was built, best first, for `fastplm doctor`.
struct IsaInfo {
  const char* name;
  bool supported, chosen;
  const char* needs;   // in words
};
constexpr int kIsaCount = 5;
FASTPLM_EXPORT void isa_infos(IsaInfo (&out)[kIsaCount]);

}  // namespace fastplm
