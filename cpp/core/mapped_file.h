// A read-only memory map of a whole file.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include "core/error.h"

namespace fastplm {

class FASTPLM_EXPORT MappedFile {
 public:
  explicit MappedFile(const std::string& path);   // throws Error(kFile)
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  int64_t size() const { return size_; }

  // `bytes` bytes at `offset`. Throws Error(kFile) if they are not all inside the file.
  const std::byte* at(int64_t offset, int64_t bytes) const;

  // Gives the pages of a range back to the system; they are read again if touched again.
  void drop(int64_t offset, int64_t bytes) const;

 private:
  std::string path_;
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
};

}  // namespace fastplm
