#include "text/base/vocabulary.h"

#include <algorithm>
#include <bit>

#include "text/base/utf8.h"

namespace fastplm::text {

static uint64_t hash_of(std::string_view token) { return TokenHash{}(token); }

bool are_spans(std::span<const int64_t> begins, std::span<const int64_t> ends, size_t bytes) {
  bool good = begins.size() == ends.size();
  for (size_t i = 0; good && i < begins.size(); ++i)
    good = 0 <= begins[i] && begins[i] <= ends[i] && ends[i] <= int64_t(bytes);
  return good;
}

Vocabulary Vocabulary::gather(std::string_view bytes, std::span<const int64_t> begins, std::span<const int64_t> ends,
                              std::vector<int32_t> ids) {
  if (!are_spans(begins, ends, bytes.size())) {
    fail(ErrorKind::kFile, "tokenizer vocabulary: ", begins.size(), " begins and ", ends.size(),
         " ends are not places in ", bytes.size(), " bytes");
  }
  std::string gathered;
  std::vector<int64_t> offsets{0};
  gathered.reserve(bytes.size());
  offsets.reserve(begins.size() + 1);
  for (size_t i = 0; i < begins.size(); ++i) {
    gathered += bytes.substr(size_t(begins[i]), size_t(ends[i] - begins[i]));
    offsets.push_back(int64_t(gathered.size()));
  }
  gathered.shrink_to_fit();
  return {std::move(gathered), std::move(offsets), std::move(ids)};
}

Vocabulary::Vocabulary(std::string bytes, std::vector<int64_t> offsets, std::vector<int32_t> ids) {
  const auto damaged = [](const auto&... what) { fail(ErrorKind::kFile, "tokenizer vocabulary: ", what...); };
  if (offsets.size() != ids.size() + 1 || offsets[0] != 0 || offsets.back() != int64_t(bytes.size())) {
    damaged(ids.size(), " ids, ", offsets.size(), " offsets and ", bytes.size(), " bytes do not fit together");
  }
  if (!std::is_sorted(offsets.begin(), offsets.end())) damaged("the offsets decrease");
  if (ids.size() >= (1u << 28)) damaged(ids.size(), " tokens; expected fewer than 2^28");

  const auto data = std::make_shared<Data>(Data{std::move(bytes), std::move(offsets), std::move(ids), {}, {}, {}});
  data_ = data;
  const int64_t n = size();
  const int32_t largest = n ? *std::max_element(data->ids.begin(), data->ids.end()) : -1;
  const bool dense = largest < 4 * n + 1024;
  if (dense) data->index_of_id.assign(size_t(largest + 1), -1);
  std::vector<uint32_t>& slots = data->slots;
  slots.assign(std::bit_ceil(size_t(n) * 2 + 1), 0);
  for (int64_t i = 0; i < n; ++i) {
    const std::string_view entry = token(i);
    if (!is_utf8(entry)) damaged("token ", i, " is not valid UTF-8");
    if (id(i) < 0) damaged("token \"", entry, "\" has id ", id(i), "; expected 0 or more");
    size_t slot = hash_of(entry) & (slots.size() - 1);
    while (slots[slot]) {
      if (token(slots[slot] - 1) == entry) damaged("token \"", entry, "\" appears twice");
      slot = (slot + 1) & (slots.size() - 1);
    }
    slots[slot] = uint32_t(i + 1);
    if (dense) {
      data->index_of_id[size_t(id(i))] = int32_t(i);
    } else {
      data->sparse[id(i)] = int32_t(i);
    }
  }
}

int64_t Vocabulary::index_of(std::string_view wanted) const { return find_from(hash_of(wanted), wanted); }

int64_t Vocabulary::find_from(uint64_t hash, std::string_view wanted) const {
  const std::vector<uint32_t>& slots = data_->slots;
  size_t slot = hash & (slots.size() - 1);
  while (slots[slot]) {
    const uint32_t i = slots[slot] - 1;
    if (token(i) == wanted) return i;
    slot = (slot + 1) & (slots.size() - 1);
  }
  return -1;
}

// A few at a time, step by step, so that the memory of all of them is under way at once.
void Vocabulary::find_all(std::string_view bytes, std::span<const int64_t> begins, std::span<const int64_t> ends,
                          int32_t* indices) const {
  constexpr size_t kBatch = 16;
  const size_t mask = data_->slots.size() - 1;
  uint64_t hashes[kBatch];
  for (size_t begin = 0; begin < begins.size(); begin += kBatch) {
    const size_t n = std::min(kBatch, begins.size() - begin);
    const auto wanted = [&](size_t i) {
      const int64_t from = begins[begin + i];
      return bytes.substr(size_t(from), size_t(ends[begin + i] - from));
    };
    for (size_t i = 0; i < n; ++i) {
      hashes[i] = hash_of(wanted(i));
      __builtin_prefetch(&data_->slots[hashes[i] & mask]);
    }
    const auto index = [&](size_t i) { return std::max<int64_t>(int64_t(data_->slots[hashes[i] & mask]) - 1, 0); };
    for (size_t i = 0; i < n; ++i) __builtin_prefetch(&data_->offsets[size_t(index(i))]);
    for (size_t i = 0; i < n; ++i) __builtin_prefetch(data_->bytes.data() + data_->offsets[size_t(index(i))]);
    for (size_t i = 0; i < n; ++i) indices[begin + i] = int32_t(find_from(hashes[i], wanted(i)));
  }
}

bool Vocabulary::find(int32_t id, std::string_view* found) const {
  int32_t i = -1;
  if (!data_->sparse.empty()) {
    const auto at = data_->sparse.find(id);
    if (at != data_->sparse.end()) i = at->second;
  } else if (id >= 0 && size_t(id) < data_->index_of_id.size()) {
    i = data_->index_of_id[size_t(id)];
  }
  if (i < 0) return false;
  *found = token(i);
  return true;
}

}  // namespace fastplm::text
