#include "ops/keys.h"

#include <algorithm>

#include "kernels/kernels.h"
#include "ops/dispatch.h"

namespace fastplm::ops {

static int64_t lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

static int64_t panel_bytes(const HeadPages& head, bool keys) {
  if (head.rounded) return lines(head.rows * head.head_dim) + lines(head.rows * int64_t(sizeof(float)));
  int64_t bytes = 0;
  with_float_type("attention", head.dtype, [&]<class T>() {
    const auto& kernel = kernels().of<T>();
    bytes = head.rows * (keys ? kernel.key_columns : kernel.value_columns)(head.head_dim) * int64_t(sizeof(T));
  });
  return lines(bytes);
}

int64_t HeadPages::key_bytes() const { return panel_bytes(*this, true); }
int64_t HeadPages::bytes() const { return key_bytes() + panel_bytes(*this, false); }

RoundedPage::RoundedPage(const HeadPages& head, std::byte* at)
    : k(reinterpret_cast<int8_t*>(at)), v(k + head.key_bytes()) {
  const int64_t codes = lines(head.rows * head.head_dim);
  k_scales = reinterpret_cast<float*>(k + codes);
  v_scales = reinterpret_cast<float*>(v + codes);
}

template <class T>
static void write_rounded(const HeadPages& head, std::byte* const* pages, int64_t offset, int64_t at, const T* k,
                          const T* v, int64_t ld, int64_t count) {
  const int64_t dim = head.head_dim;
  for (int64_t r = 0; r < count;) {
    const int64_t first = (at + r) % head.rows, n = std::min(head.rows - first, count - r);
    const RoundedPage page(head, pages[(at + r) / head.rows] + offset);
    const auto round = [&](const T* x, int8_t* codes, float* scales) {
      kernels().of<T>().rows_to_codes({.x = const_cast<T*>(x + r * ld),
                                       .ld = ld,
                                       .count = n,
                                       .dim = dim,
                                       .codes = codes + first * dim,
                                       .scales = scales + first});
    };
    round(k, page.k, page.k_scales);
    round(v, page.v, page.v_scales);
    r += n;
  }
}

void write_keys(const HeadPages& head, std::byte* const* pages, int64_t offset, int64_t at, const void* k,
                const void* v, int64_t ld, int64_t count) {
  with_float_type("attention", head.dtype, [&]<class T>() {
    if (head.rounded)
      return write_rounded(head, pages, offset, at, static_cast<const T*>(k), static_cast<const T*>(v), ld, count);
    constexpr int64_t kSize = int64_t(sizeof(T));
    kernels().of<T>().write_keys({.k = static_cast<const T*>(k),
                                  .v = static_cast<const T*>(v),
                                  .ld = ld,
                                  .count = count,
                                  .at = at,
                                  .last = false,
                                  .to = {.pages = reinterpret_cast<T* const*>(pages),
                                         .rows = head.rows,
                                         .keys_at = offset / kSize,
                                         .values_at = (offset + head.key_bytes()) / kSize,
                                         .head_dim = head.head_dim}});
  });
}

void clear_values(const HeadPages& head, std::byte* page, int64_t rows) {
  if (head.rounded) return;   // attention widens the rows that there are
  with_float_type("attention", head.dtype, [&]<class T>() {
    kernels().of<T>().clear_values(reinterpret_cast<T*>(page + head.key_bytes()), head.head_dim, head.rows,
                                   {rows, head.rows});
  });
}

}  // namespace fastplm::ops
