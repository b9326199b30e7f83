#include "core/buffer.h"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace fastplm {

constexpr int64_t kHugePage = 2 << 20;

Buffer::Buffer(int64_t bytes) : size_(bytes) {
  if (bytes <= 0) return;
  const int64_t align = bytes >= kHugePage / 2 ? kHugePage : kAlign;
  const int64_t rounded = (bytes + align - 1) / align * align;
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(size_t(align), size_t(rounded)));
  if (!memory) throw std::bad_alloc();
  if (align == kHugePage) madvise(memory, size_t(rounded), MADV_HUGEPAGE);
  data_.reset(memory);
}

void Buffer::Free::operator()(std::byte* p) const { std::free(p); }

}  // namespace fastplm
