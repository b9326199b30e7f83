// The one door to fastplm's threads.
#pragma once
#include <cstdint>
#include <type_traits>
#include "core/error.h"

namespace fastplm {

// Calls body(begin, end) on disjoint pieces that cover [0, count), on up to num_threads() threads,
// and returns when all are done. Pieces are `grain` long (the last may be shorter) and are handed out
// in order to whichever thread is free, so bodies must not depend on which thread runs them.
//
// The calling thread works too. A call from inside a body, or while another thread of the program has
// the pool, runs on the calling thread alone: nothing waits for anything, so nothing deadlocks.
// The first exception a body throws is rethrown here; pieces not yet begun are then skipped, and those at work
// end at their next nested call.
// Throws Error(kInterrupted) when the interrupt check says so (see set_interrupt_check).
template <class Body>
void parallel_for(int64_t count, int64_t grain, const Body& body);

// For bodies whose pieces are long, to call every some million multiply-adds: throws Error(kInterrupted) if the job
// that the calling thread works on is over.
FASTPLM_EXPORT void leave_if_stopped();

FASTPLM_EXPORT int num_threads();

// Throws kValue unless 1 <= n <= 1024. Takes effect at the next parallel_for.
FASTPLM_EXPORT void set_num_threads(int n);

// min(CPU affinity, cgroup v2 cpu.max, physical cores), or FASTPLM_NUM_THREADS if that is set.
FASTPLM_EXPORT int default_num_threads();

// From now on, work is shared out among the threads of the OpenMP library that this process has loaded, if there is
// one: in a process whose other half computes with OpenMP (torch), its threads spin after each of its operations and
// would hold the cores that fastplm's own threads need, and the other way round. False: there is none. In a forked
// child, fastplm's own threads work again.
FASTPLM_EXPORT bool borrow_openmp_threads();

// What default_num_threads() saw, for `fastplm doctor`. 0: no limit.
struct CpuLimits {
  int affinity, cgroup, physical;
};
FASTPLM_EXPORT CpuLimits cpu_limits();

// Bytes of the second-level cache of one core; 1 MiB if the system does not say.
int64_t second_level_cache();

// A function that says whether the calling thread should stop (Ctrl-C). Polled between pieces, at nested calls and by
// leave_if_stopped, at most every 20 ms, on the thread that called parallel_for.
FASTPLM_EXPORT void set_interrupt_check(bool (*should_stop)());

namespace detail {
using Piece = void (*)(const void* body, int64_t begin, int64_t end);
FASTPLM_EXPORT void parallel_for(int64_t count, int64_t grain, Piece piece, const void* body);
}  // namespace detail

template <class Body>
void parallel_for(int64_t count, int64_t grain, const Body& body) {
  detail::parallel_for(
      count, grain, [](const void* b, int64_t begin, int64_t end) { (*static_cast<const Body*>(b))(begin, end); },
      &body);
}

}  // namespace fastplm
