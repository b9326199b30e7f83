#include "text/lookup/long_words.h"

#include <cstring>
#include <utility>

namespace fastplm::text {

uint64_t LongWords::hash_of(std::string_view word) {
  constexpr uint64_t kGoldenRatio = 0x9e3779b97f4a7c15u;   // 2^64 / golden ratio
  uint64_t hash = word.size() * kGoldenRatio, eight;
  const char* p = word.data();
  size_t left = word.size();
  for (; left >= 8; p += 8, left -= 8) {
    std::memcpy(&eight, p, 8);
    hash = (hash ^ eight) * kGoldenRatio;
    hash ^= hash >> 32;
  }
  eight = 0;
  std::memcpy(&eight, p, left);
  hash = (hash ^ eight) * kGoldenRatio;
  return hash ^ hash >> 32;
}

uint32_t LongWords::Block::find(uint32_t owner, std::string_view word, uint64_t hash) const {
  if (records_ == 0) return 0;
  for (size_t at = hash % kEntries; entries_[at].offset; at = (at + 1) % kEntries) {
    if (entries_[at].hash != uint32_t(hash >> 32)) continue;
    const char* const begin = log_ + entries_[at].offset;
    Record record;
    std::memcpy(&record, begin, sizeof(record));
    if (record.owner == owner && std::string_view(begin + sizeof(record), record.size) == word)
      return entries_[at].offset;
  }
  return 0;
}

uint32_t LongWords::Block::put(uint32_t owner, std::string_view word, uint64_t hash, const int32_t* ids,
                               int64_t count) {
  if (!entries_) {
    memory_ = Buffer(int64_t(kEntries * sizeof(Entry) + kBytes + kInlineIds * sizeof(int32_t)));
    entries_ = memory_.as<Entry>();
    log_ = memory_.as<char>() + kEntries * sizeof(Entry);
    clear(number_);
  }
  const size_t ids_at = sizeof(Record) + padded(word.size()), bytes = ids_at + size_t(count) * sizeof(int32_t);
  if (used_ + bytes > kBytes || records_ == kMaxRecords) return 0;
  size_t at = hash % kEntries;
  while (entries_[at].offset) at = (at + 1) % kEntries;
  const auto offset = uint32_t(used_);
  entries_[at] = {uint32_t(hash >> 32), offset};
  const Record record{owner, uint16_t(word.size()), uint16_t(count)};
  std::memcpy(log_ + offset, &record, sizeof(record));
  std::memcpy(log_ + offset + sizeof(record), word.data(), word.size());
  std::memcpy(log_ + offset + ids_at, ids, size_t(count) * sizeof(int32_t));
  used_ += bytes;
  ++records_;
  return offset;
}

void LongWords::Block::clear(uint32_t number) {
  number_ = number;
  used_ = kBegin;
  records_ = 0;
  if (entries_) std::memset(entries_, 0, kEntries * sizeof(Entry));
}

LongWords::Place LongWords::find(uint32_t owner, std::string_view word, uint64_t hash, Ids& ids) {
  if (const uint32_t offset = current_.find(owner, word, hash)) {
    const Place place{offset, current_.number()};
    append(place, ids);
    return place;
  }
  const uint32_t offset = old_.find(owner, word, hash);
  if (offset == 0) return {};
  const int64_t count = old_.append(offset, ids);
  return put(owner, word, hash, ids.data() + ids.size() - count, count);
}

LongWords::Place LongWords::put(uint32_t owner, std::string_view word, uint64_t hash, const int32_t* ids,
                                int64_t count) {
  if (word.size() > kMaxSize || count > kMaxIds) return {};
  uint32_t offset = current_.put(owner, word, hash, ids, count);
  if (offset == 0) {
    std::swap(current_, old_);
    current_.clear(++blocks_);
    offset = current_.put(owner, word, hash, ids, count);
  }
  return {offset, current_.number()};
}

}  // namespace fastplm::text
