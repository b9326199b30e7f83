// The CPU kernel table: one instance per ISA, chosen once (see select.cpp).
#pragma once
#include "core/export.h"
#include "kernels/args.h"

namespace fastplm {

// How a [n, k] matrix lies in memory after packing: [n / panel][k / step][panel][step], zero-filled.
struct PanelLayout {
  int64_t panel;   // columns of one panel
  int64_t step;    // values of k that one multiply-add consumes together
};

template <class T>
struct FloatKernels {
  PanelLayout layout;
  int64_t block_rows;   // rows that one register tile handles together
  void (*pack_f32)(const PackArgs<float, T>&, Range panels) noexcept;
  void (*pack_f16)(const PackArgs<f16, T>&, Range panels) noexcept;
  void (*pack_bf16)(const PackArgs<bf16, T>&, Range panels) noexcept;
  void (*gemm_rows)(const GemmArgs<T>&, Range rows) noexcept;   // first: brings rows of a into the workspace
  void (*gemm)(const GemmArgs<T>&, Range rows, Range panels) noexcept;
  int64_t (*gemm_workspace)(int64_t rows, int64_t k) noexcept;   // in bytes
  void (*norm)(const NormArgs<T>&, Range rows) noexcept;
  void (*embed)(const EmbedArgs<T>&, Range rows) noexcept;
  void (*glu)(const GluArgs<T>&, Range rows) noexcept;
  void (*rope)(const RopeArgs<T>&, Range rows) noexcept;
  void (*write_keys)(const WriteKeysArgs<T>&) noexcept;
  int64_t (*value_columns)(int64_t head_dim) noexcept;   // that a page holds for each row
  int64_t (*key_columns)(int64_t head_dim) noexcept;
  void (*attention)(const AttentionArgs<T>&) noexcept;
  int64_t (*attention_workspace)(int64_t head_dim, int64_t length) noexcept;   // in bytes
  void (*from_f32)(const float* x, T* y, int64_t n) noexcept;
  void (*from_f16)(const f16* x, T* y, int64_t n) noexcept;
  void (*from_bf16)(const bf16* x, T* y, int64_t n) noexcept;
};

struct Train;   // kernels/train.h

struct Kernels {
  const char* name;
  FloatKernels<float> f32;
  FloatKernels<bf16> bf;
  const Train* train;
  void (*pool)(const PoolArgs&) noexcept;
  void (*softmax)(const SoftmaxArgs&, Range rows) noexcept;
  void (*ascii)(const char* text, AsciiClasses& classes) noexcept;   // of text[0 .. 64)
  uint64_t (*find_words)(const WordsArgs&) noexcept;   // a bit for each word that is not a token in its line

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
