#include "core/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fastplm {

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);   // never hang on a pipe
  if (fd < 0) fail(ErrorKind::kFile, path, ": ", std::strerror(errno));
  struct stat info;
  if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    fail(ErrorKind::kFile, path, ": is not a regular file");
  }
  size_ = info.st_size;
  void* data = size_ ? mmap(nullptr, size_t(size_), PROT_READ, MAP_PRIVATE, fd, 0) : nullptr;
  const int error = errno;
  close(fd);
  if (data == MAP_FAILED) fail(ErrorKind::kFile, path, ": cannot be mapped: ", std::strerror(error));
  data_ = static_cast<std::byte*>(data);
}

MappedFile::~MappedFile() {
  if (data_) munmap(data_, size_t(size_));
}

const std::byte* MappedFile::at(int64_t offset, int64_t bytes) const {
  if (offset < 0 || bytes < 0 || offset > size_ || bytes > size_ - offset) {
    fail(ErrorKind::kFile, path_, ": bytes ", offset, " to ", offset + bytes, " were asked for; the file has ", size_);
  }
  return data_ + offset;
}

void MappedFile::drop(int64_t offset, int64_t bytes) const {
  const int64_t page = sysconf(_SC_PAGESIZE);
  const int64_t begin = (offset + page - 1) / page * page, end = (offset + bytes) / page * page;
  if (begin < end) madvise(data_ + begin, size_t(end - begin), MADV_DONTNEED);
}

}  // namespace fastplm
