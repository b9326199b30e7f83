// Tokens and their ids.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include "core/error.h"
#include "text/maps.h"

namespace fastplm::text {

class FASTPLM_EXPORT Vocabulary {
 public:
  // Token i is bytes[offsets[i] .. offsets[i + 1]) and has id ids[i]. Throws Error(kFile) if the offsets
  // leave the bytes or decrease, a token is no UTF-8, or an id is negative. A token may have several ids.
  Vocabulary(std::string bytes, std::vector<int64_t> offsets, std::vector<int32_t> ids);
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  int64_t size() const { return int64_t(ids_.size()); }
  std::string_view token(int64_t i) const {
    return {bytes_.data() + offsets_[i], size_t(offsets_[i + 1] - offsets_[i])};
  }
  int32_t id(int64_t i) const { return ids_[i]; }

  int32_t id_of(std::string_view token) const;   // the last of several; -1: not there
  // The token with this id (the last of several); false: none has it.
  bool find(int32_t id, std::string_view* token) const;

 private:
  std::string bytes_;
  std::vector<int64_t> offsets_;
  std::vector<int32_t> ids_;
  std::vector<uint32_t> slots_;                     // open addressing: index + 1, 0 is free
  std::vector<int32_t> index_of_id_;                // while ids are dense
  ById<int32_t> sparse_;     // else
};

}  // namespace fastplm::text
