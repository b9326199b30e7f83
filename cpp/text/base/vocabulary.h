// Tokens and their ids.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>
#include "core/error.h"
#include "text/base/maps.h"

namespace fastplm::text {

// Immutable, and shared: a copy is another handle to the same tokens.
class FASTPLM_EXPORT Vocabulary {
 public:
  // Token i is bytes[offsets[i] .. offsets[i + 1]) and has id ids[i]. Throws Error(kFile) if the offsets
  // leave the bytes or decrease, a token is no UTF-8 or appears twice, or an id is negative.
  Vocabulary(std::string bytes, std::vector<int64_t> offsets, std::vector<int32_t> ids);
  // As above, of tokens that stand anywhere in `bytes`: token i at begins[i] .. ends[i].
  static Vocabulary gather(std::string_view bytes, std::span<const int64_t> begins, std::span<const int64_t> ends,
                           std::vector<int32_t> ids);

  int64_t size() const { return int64_t(data_->ids.size()); }
  std::string_view token(int64_t i) const {
    const int64_t begin = data_->offsets[i];
    return {data_->bytes.data() + begin, size_t(data_->offsets[i + 1] - begin)};
  }
  int32_t id(int64_t i) const { return data_->ids[i]; }

  int64_t index_of(std::string_view token) const;   // -1: not there
  int32_t id_of(std::string_view token) const {     // -1: not there
    const int64_t i = index_of(token);
    return i < 0 ? -1 : id(i);
  }
  // The index of each of bytes[begins[i] .. ends[i]), -1 where it is not there. The caller checks the places.
  void find_all(std::string_view bytes, std::span<const int64_t> begins, std::span<const int64_t> ends,
                int32_t* indices) const;
  // The token with this id (the last of several); false: none has it.
  bool find(int32_t id, std::string_view* token) const;

  // What it was made from.
  const std::string& bytes() const { return data_->bytes; }
  const std::vector<int64_t>& offsets() const { return data_->offsets; }
  const std::vector<int32_t>& ids() const { return data_->ids; }

 private:
  int64_t find_from(uint64_t hash, std::string_view token) const;
  struct Data {
    std::string bytes;
    std::vector<int64_t> offsets;
    std::vector<int32_t> ids;
    std::vector<uint32_t> slots;         // open addressing: index + 1, 0 is free
    std::vector<int32_t> index_of_id;    // while ids are dense
    ById<int32_t> sparse;                // else
  };
  std::shared_ptr<const Data> data_;
};

// Whether begins[i] .. ends[i] are places in `bytes` bytes, for as many begins as ends.
bool are_spans(std::span<const int64_t> begins, std::span<const int64_t> ends, size_t bytes);

}  // namespace fastplm::text
