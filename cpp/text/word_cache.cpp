#include "text/word_cache.h"

#include <new>

namespace fastplm::text {

WordCache::WordCache() : memory_(kSlots * sizeof(Slot)), slots_(new (memory_.data()) Slot[kSlots]) {}

WordCache& WordCache::of_thread() {
  thread_local WordCache cache;
  return cache;
}

}  // namespace fastplm::text
