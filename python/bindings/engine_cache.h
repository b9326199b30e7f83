// Who uses a cache.
#pragma once
#include "core/error.h"
#include "model/cache.h"

namespace fastplm {

// A cache belongs to one call at a time. Null: there is none.
class Busy {
 public:
  explicit Busy(Cache* cache) : cache_(cache) {
    if (cache && cache->busy.exchange(true)) {
      fail(ErrorKind::kValue, "cache: another call uses it at the same time; expected one cache for each");
    }
  }
  ~Busy() {
    if (cache_) cache_->busy = false;
  }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  Cache* cache_;
};

}  // namespace fastplm
