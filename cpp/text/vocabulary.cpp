#include "text/vocabulary.h"

#include <algorithm>
#include <bit>

#include "text/utf8.h"

namespace fastplm::text {

static uint64_t hash_of(std::string_view token) { return TokenHash{}(token); }

Vocabulary::Vocabulary(std::string bytes, std::vector<int64_t> offsets, std::vector<int32_t> ids)
    : bytes_(std::move(bytes)), offsets_(std::move(offsets)), ids_(std::move(ids)) {
  const auto damaged = [](const auto&... what) { fail(ErrorKind::kFile, "tokenizer vocabulary: ", what...); };
  if (offsets_.size() != ids_.size() + 1 || offsets_[0] != 0 || offsets_.back() != int64_t(bytes_.size())) {
    damaged(ids_.size(), " ids, ", offsets_.size(), " offsets and ", bytes_.size(), " bytes do not fit together");
  }
  if (!std::is_sorted(offsets_.begin(), offsets_.end())) damaged("the offsets decrease");
  if (ids_.size() >= (1u << 28)) damaged(ids_.size(), " tokens; expected fewer than 2^28");

  const int64_t n = size();
  const int32_t largest = n ? *std::max_element(ids_.begin(), ids_.end()) : -1;
  const bool dense = largest < 4 * n + 1024;
  if (dense) index_of_id_.assign(size_t(largest + 1), -1);
  slots_.assign(std::bit_ceil(size_t(n) * 2 + 1), 0);
  for (int64_t i = 0; i < n; ++i) {
    const std::string_view entry = token(i);
    if (!is_utf8(entry)) damaged("token ", i, " is not valid UTF-8");
    if (ids_[i] < 0) damaged("token \"", entry, "\" has id ", ids_[i], "; expected 0 or more");
    size_t slot = hash_of(entry) & (slots_.size() - 1);
    while (slots_[slot] && token(slots_[slot] - 1) != entry) {
      slot = (slot + 1) & (slots_.size() - 1);
    }
    slots_[slot] = uint32_t(i + 1);
    if (dense) {
      index_of_id_[ids_[i]] = int32_t(i);
    } else {
      sparse_[ids_[i]] = int32_t(i);
    }
  }
}

int32_t Vocabulary::id_of(std::string_view wanted) const {
  size_t slot = hash_of(wanted) & (slots_.size() - 1);
  while (slots_[slot]) {
    const uint32_t i = slots_[slot] - 1;
    if (token(i) == wanted) return ids_[i];
    slot = (slot + 1) & (slots_.size() - 1);
  }
  return -1;
}

bool Vocabulary::find(int32_t id, std::string_view* found) const {
  int32_t i = -1;
  if (!sparse_.empty()) {
    const auto at = sparse_.find(id);
    if (at != sparse_.end()) i = at->second;
  } else if (id >= 0 && size_t(id) < index_of_id_.size()) {
    i = index_of_id_[id];
  }
  if (i < 0) return false;
  *found = token(i);
  return true;
}

}  // namespace fastplm::text
