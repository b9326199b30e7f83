// Owned, uninitialised, cache-line aligned memory; large blocks ask the system for huge pages.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include "core/error.h"

namespace fastplm {

constexpr int64_t kAlign = 64;   // one cache line, one 512-bit vector

class FASTPLM_EXPORT Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t bytes);   // throws std::bad_alloc

  int64_t size() const { return size_; }
  std::byte* data() const { return data_.get(); }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_.get());
  }

 private:
  struct Free {
    void operator()(std::byte* p) const;
  };
  std::unique_ptr<std::byte, Free> data_;
  int64_t size_ = 0;
};

// Hands out pieces of one buffer; all are given back together by reset().
class Arena {
 public:
  Arena() = default;
  explicit Arena(int64_t bytes) : buffer_(bytes) {}

  template <class T>
  T* take(int64_t count) {
    const int64_t bytes = padded<T>(count);
    if (bytes > buffer_.size() - used_) {
      fail(ErrorKind::kInternal, "workspace: ", used_ + bytes, " bytes are needed; it has ", buffer_.size());
    }
    std::byte* piece = buffer_.data() + used_;
    used_ += bytes;
    return reinterpret_cast<T*>(piece);
  }
  void reset() { used_ = 0; }
  int64_t size() const { return buffer_.size(); }

  // What take<T>(count) uses up.
  template <class T>
  static constexpr int64_t padded(int64_t count) {
    return (count * int64_t(sizeof(T)) + kAlign - 1) / kAlign * kAlign;
  }

 private:
  Buffer buffer_;
  int64_t used_ = 0;
};

}  // namespace fastplm
