// Keys and values of attention, in pages of the panels that it multiplies with. They are packed once, as they
// are written: by attention itself from rows, or into a cache that later calls read.
#pragma once
#include <cstddef>

#include "core/export.h"
#include "core/tensor.h"
#include "kernels/args.h"

namespace fastplm::ops {

// Tokens of a page of a cache: divides kKeyBlock, a multiple of every table's panel.
constexpr int64_t kPageRows = 96;

// How one head's keys and values lie in a page of `rows` tokens. Values of unwritten rows must be zero.
// rounded: as int8 codes with a scale for each token's key and for its value, by token; attention widens them to dtype.
struct HeadPages {
  DType dtype;
  int64_t head_dim, rows;
  bool rounded = false;

  int64_t key_bytes() const;
  int64_t bytes() const;   // of keys and values
};

// Where each sequence's keys and values are.
struct PagedKeys {
  HeadPages head;
  int64_t offset = 0;                 // bytes from the beginning of a page to head 0; the others follow
  std::byte* const* const* pages = nullptr;   // [sequences]: each one's pages
};

// Writes rows behind the `at` tokens that are in a head's pages.
//   k, v    [count, head_dim] of head.dtype, rows ld values apart
FASTPLM_EXPORT void write_keys(const HeadPages& head, std::byte* const* pages, int64_t offset, int64_t at,
                               const void* k, const void* v, int64_t ld, int64_t count);

// The keys and values of one head that are rounded, in one page.
struct RoundedPage {
  int8_t *k, *v;     // [rows, head_dim]
  float *k_scales, *v_scales;   // [rows]

  RoundedPage(const HeadPages& head, std::byte* at);   // at: where the head's begin
};

// Clears the values of all rows of a head's page from `rows` on.
FASTPLM_EXPORT void clear_values(const HeadPages& head, std::byte* page, int64_t rows);

}  // namespace fastplm::ops
