#include "text/long_words.h"

#include <cstring>
#include <utility>

namespace fastplm::text {

static uint64_t hash_of(std::string_view word) {
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15u;   // 2^64 / golden ratio
  uint64_t hash = word.size() * kOdd, eight;
  const char* p = word.data();
  size_t left = word.size();
  for (; left >= 8; p += 8, left -= 8) {
    std::memcpy(&eight, p, 8);
    hash = (hash ^ eight) * kOdd;
    hash ^= hash >> 32;
  }
  eight = 0;
  std::memcpy(&eight, p, left);
  hash = (hash ^ eight) * kOdd;
  return hash ^ hash >> 32;
}

static size_t padded(size_t bytes) { return (bytes + 3) & ~size_t(3); }

bool LongWords::Block::find(uint32_t owner, std::string_view word, uint64_t hash, const int32_t** ids,
                            int64_t* count) const {
  if (records_ == 0) return false;
  for (size_t at = hash % kEntries; entries_[at].offset; at = (at + 1) % kEntries) {
    if (entries_[at].hash != uint32_t(hash >> 32)) continue;
    const char* const begin = log_ + entries_[at].offset;
    Record record;
    std::memcpy(&record, begin, sizeof(record));
    if (record.owner != owner || std::string_view(begin + sizeof(record), record.size) != word) continue;
    *ids = reinterpret_cast<const int32_t*>(begin + sizeof(record) + padded(record.size));
    *count = record.count;
    return true;
  }
  return false;
}

bool LongWords::Block::put(uint32_t owner, std::string_view word, uint64_t hash, const int32_t* ids, int64_t count) {
  if (!entries_) {
    memory_ = Buffer(int64_t(kEntries * sizeof(Entry) + kBytes));
    entries_ = memory_.as<Entry>();
    log_ = memory_.as<char>() + kEntries * sizeof(Entry);
    clear();
  }
  const size_t ids_at = sizeof(Record) + padded(word.size()), bytes = ids_at + size_t(count) * sizeof(int32_t);
  if (used_ + bytes > kBytes || records_ == kMostRecords) return false;
  size_t at = hash % kEntries;
  while (entries_[at].offset) at = (at + 1) % kEntries;
  entries_[at] = {uint32_t(hash >> 32), uint32_t(used_)};
  const Record record{owner, uint16_t(word.size()), uint16_t(count)};
  std::memcpy(log_ + used_, &record, sizeof(record));
  std::memcpy(log_ + used_ + sizeof(record), word.data(), word.size());
  std::memcpy(log_ + used_ + ids_at, ids, size_t(count) * sizeof(int32_t));
  used_ += bytes;
  ++records_;
  return true;
}

void LongWords::Block::clear() {
  used_ = kBegin;
  records_ = 0;
  if (entries_) std::memset(entries_, 0, kEntries * sizeof(Entry));
}

bool LongWords::find(uint32_t owner, std::string_view word, Ids& ids) {
  const uint64_t hash = hash_of(word);
  const int32_t* found;
  int64_t count;
  if (current_.find(owner, word, hash, &found, &count)) {
    ids.append(found, count);
    return true;
  }
  if (!old_.find(owner, word, hash, &found, &count)) return false;
  ids.append(found, count);
  put(owner, word, ids.data() + ids.size() - count, count);
  return true;
}

void LongWords::put(uint32_t owner, std::string_view word, const int32_t* ids, int64_t count) {
  const uint64_t hash = hash_of(word);
  if (current_.put(owner, word, hash, ids, count)) return;
  std::swap(current_, old_);
  current_.clear();
  current_.put(owner, word, hash, ids, count);
}

}  // namespace fastplm::text
