#include "ops/keys.h"

#include "kernels/kernels.h"
#include "ops/dispatch.h"

namespace fastplm::ops {

static int64_t panel_bytes(const HeadPages& head, bool keys) {
  int64_t bytes = 0;
  with_float_type("attention", head.dtype, [&]<class T>() {
    const auto& kernel = kernels().of<T>();
    bytes = head.rows * (keys ? kernel.key_columns : kernel.value_columns)(head.head_dim) * int64_t(sizeof(T));
  });
  return (bytes + 63) / 64 * 64;
}

int64_t HeadPages::key_bytes() const { return panel_bytes(*this, true); }
int64_t HeadPages::bytes() const { return key_bytes() + panel_bytes(*this, false); }

void write_keys(const HeadPages& head, std::byte* const* pages, int64_t offset, int64_t at, const void* k,
                const void* v, int64_t ld, int64_t count) {
  with_float_type("attention", head.dtype, [&]<class T>() {
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
  with_float_type("attention", head.dtype, [&]<class T>() {
    kernels().of<T>().clear_values(reinterpret_cast<T*>(page + head.key_bytes()), head.head_dim, head.rows,
                                   {rows, head.rows});
  });
}

}  // namespace fastplm::ops
