// A growing array of token ids whose memory is never cleared and grows without copying where the system can.
#pragma once
#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace fastplm::text {

class Ids {
 public:
  Ids() = default;
  ~Ids() { std::free(data_); }
  Ids(Ids&& other) noexcept { *this = std::move(other); }
  Ids& operator=(Ids&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
    return *this;
  }

  int64_t size() const { return size_; }
  int32_t* data() const { return data_; }
  int32_t operator[](int64_t i) const { return data_[i]; }

  void resize(int64_t size) { size_ = size; }   // of what has been reserved
  void push(int32_t id) {
    if (size_ == capacity_) reserve(1);
    data_[size_++] = id;
  }
  void append(const int32_t* ids, int64_t count) {
    if (count == 0) return;
    reserve(count);
    std::memcpy(data_ + size_, ids, size_t(count) * sizeof(int32_t));
    size_ += count;
  }

  // Appends `count` of ids[0 .. padded), faster than append: it copies all of them.
  void append_padded(const int32_t* ids, int64_t count, int64_t padded) {
    if (size_ + padded > capacity_) reserve(padded);
    std::memcpy(data_ + size_, ids, size_t(padded) * sizeof(int32_t));
    size_ += count;
  }

  // Room for `more` ids behind the last one.
  void reserve(int64_t more) {
    if (size_ + more <= capacity_) return;
    const int64_t capacity = size_ + more + capacity_ / 2 + 64;
    void* grown = std::realloc(data_, size_t(capacity) * sizeof(int32_t));
    if (!grown) throw std::bad_alloc();
    data_ = static_cast<int32_t*>(grown);
    capacity_ = capacity;
    if (capacity >= kLarge) use_huge_pages();
  }

  // The memory itself, to be freed with std::free.
  int32_t* release() {
    size_ = capacity_ = 0;
    return std::exchange(data_, nullptr);
  }

 private:
  // A block that malloc takes from the system each time: every page of it costs a fault, as much as making its ids.
  static constexpr int64_t kLarge = int64_t(2) << 20;   // ids
  void use_huge_pages() {
    constexpr uintptr_t kPage = uintptr_t(2) << 20;
    const uintptr_t begin = (reinterpret_cast<uintptr_t>(data_) + kPage - 1) & ~(kPage - 1);
    const uintptr_t end = reinterpret_cast<uintptr_t>(data_ + capacity_) & ~(kPage - 1);
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);   // a wish: it may fail
  }

  int32_t* data_ = nullptr;
  int64_t size_ = 0, capacity_ = 0;
};

}  // namespace fastplm::text
