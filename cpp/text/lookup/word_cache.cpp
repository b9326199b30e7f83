#include "text/lookup/word_cache.h"

#include <atomic>
#include <new>

namespace fastplm::text {

// 0 is nobody.
static uint32_t new_number() {
  static std::atomic<uint32_t> numbers{0};
  return ++numbers & ((1u << 30) - 1);
}

WordCache::Owner::Owner() : number_(new_number()) {}

WordCache::WordCache() : memory_(kSlots * sizeof(Slot)), slots_(new (memory_.data()) Slot[kSlots]) {}

WordCache& WordCache::of_thread() {
  thread_local WordCache cache;
  return cache;
}

}  // namespace fastplm::text
