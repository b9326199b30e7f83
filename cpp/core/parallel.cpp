// A pool of spinning-then-parked workers. The whole protocol is one word, `Pool::gate_`:
// the number of workers inside the current job, plus kClosed while there is none to join.
// A worker joins by adding one; if it then finds the gate closed it was late and leaves again.
#include "core/parallel.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

namespace fastplm {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kSpin = std::chrono::microseconds(200);   // longer than the gap between two ops of a forward pass
constexpr auto kInterruptPeriod = std::chrono::milliseconds(20);
constexpr int kMaxThreads = 1024;

std::atomic<bool (*)()> g_should_stop{nullptr};
std::atomic<int> g_threads{0};  // 0: not chosen yet

// Runs body(data) on a team of that many threads, of which the caller is one: GOMP_parallel, which libgomp, libomp and
// libiomp5 have. Null: the own pool.
using Fork = void (*)(void (*body)(void*), void* data, unsigned threads, unsigned flags);
std::atomic<Fork> g_fork{nullptr};

inline void pause_briefly() {   // tells the core that this is a spin loop
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

struct Job {
  detail::Piece piece;
  const void* body;
  int64_t count, grain;
  std::atomic<int64_t> next{0};
  std::atomic<bool> cancelled{false};
  std::exception_ptr error;  // written under error_lock
  std::mutex error_lock;

  void begin(int64_t count_, int64_t grain_, detail::Piece piece_, const void* body_) {
    piece = piece_;
    body = body_;
    count = count_;
    grain = grain_;
    next.store(0, std::memory_order_relaxed);
    cancelled.store(false, std::memory_order_relaxed);
    error = nullptr;
  }

  void cancel(std::exception_ptr why) {
    std::lock_guard lock(error_lock);
    if (!error) error = why;
    cancelled.store(true, std::memory_order_relaxed);
  }
};

// The job that this thread is working on; null outside of any.
struct Current {
  Job* job = nullptr;
  bool is_caller = false;  // it began the job, and so listens to the interrupt check
};
thread_local Current t_current;

// Polls the interrupt check, at most once per kInterruptPeriod.
void poll_interrupts() {
  auto* should_stop = g_should_stop.load(std::memory_order_relaxed);
  if (!should_stop) return;
  thread_local Clock::time_point last = Clock::now();
  const auto now = Clock::now();
  if (now - last < kInterruptPeriod) return;
  last = now;
  if (should_stop()) fail(ErrorKind::kInterrupted, "interrupted");
}

void run_pieces(Job& job, bool is_caller) {
  t_current = {&job, is_caller};
  try {
    for (;;) {
      const int64_t begin = job.next.fetch_add(job.grain, std::memory_order_relaxed);
      if (begin >= job.count) break;
      leave_if_stopped();
      job.piece(job.body, begin, std::min(begin + job.grain, job.count));
    }
  } catch (...) {
    job.cancel(std::current_exception());
  }
  t_current = {};
}

class Pool {
 public:
  // False if another thread has the pool.
  bool try_run(int64_t count, int64_t grain, detail::Piece piece, const void* body, int helpers) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    start_workers(helpers);
    job_.begin(count, grain, piece, body);
    helpers_ = helpers;

    gate_.fetch_sub(kClosed, std::memory_order_release);   // open
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    run_pieces(job_, true);
    gate_.fetch_add(kClosed, std::memory_order_acquire);   // close
    for (int spins = 0; gate_.load(std::memory_order_acquire) != kClosed; ++spins) {
      if (spins < 4096)
        pause_briefly();
      else
        sched_yield();
    }
    std::exception_ptr error = std::move(job_.error);
    busy_.clear(std::memory_order_release);
    if (error) std::rethrow_exception(error);
    return true;
  }

 private:
  static constexpr int kClosed = 1 << 20;

  void start_workers(int helpers) {
    sigset_t all, before;
    sigfillset(&all);
    while (workers_ < helpers) {
      pthread_sigmask(SIG_SETMASK, &all, &before);   // signals belong to the program's own threads
      std::thread([this, id = workers_] { work(id); }).detach();
      pthread_sigmask(SIG_SETMASK, &before, nullptr);
      ++workers_;
    }
  }

  void work(int id) {
    uint32_t seen = 0;
    for (;;) {
      seen = wait_for_job(seen);
      if (gate_.fetch_add(1, std::memory_order_acquire) < kClosed && id < helpers_) run_pieces(job_, false);
      gate_.fetch_sub(1, std::memory_order_release);
    }
  }

  uint32_t wait_for_job(uint32_t seen) {
    const auto until = Clock::now() + kSpin;
    do {
      for (int i = 0; i < 64; ++i) {
        const uint32_t now = epoch_.load(std::memory_order_acquire);
        if (now != seen) return now;
        pause_briefly();
      }
    } while (Clock::now() < until);
    epoch_.wait(seen, std::memory_order_acquire);
    return epoch_.load(std::memory_order_acquire);
  }

  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  alignas(64) std::atomic<uint32_t> epoch_{0};
  alignas(64) std::atomic<int> gate_{kClosed};
  int helpers_ = 0;
  int workers_ = 0;
  alignas(64) Job job_;
};

// Never destroyed: workers may still be parked in it while the program exits. A forked child has none
// of its parent's workers, so it gets a pool of its own.
std::atomic<Pool*> g_pool{nullptr};

Pool& pool() {
  static const bool made = [] {
    g_pool = new Pool;
    pthread_atfork(nullptr, nullptr, [] {
      g_pool = new Pool;
      g_fork = nullptr;   // OpenMP's team is gone too
      t_current = {};
    });
    return true;
  }();
  (void)made;
  return *g_pool.load(std::memory_order_relaxed);
}

}  // namespace

bool borrow_openmp_threads() {
  pool();   // so that a forked child is told
  g_fork = reinterpret_cast<Fork>(dlsym(RTLD_DEFAULT, "GOMP_parallel"));
  return g_fork.load() != nullptr;
}

void leave_if_stopped() {
  if (!t_current.job) return;
  if (t_current.job->cancelled.load(std::memory_order_relaxed)) fail(ErrorKind::kInterrupted, "interrupted");
  if (t_current.is_caller) poll_interrupts();
}

void detail::parallel_for(int64_t count, int64_t grain, Piece piece, const void* body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  if (t_current.job) {
    leave_if_stopped();   // a piece can be long; what it calls in turn passes here
    return piece(body, 0, count);
  }
  const int64_t pieces = (count + grain - 1) / grain;
  const int helpers = int(std::min<int64_t>(num_threads(), pieces)) - 1;
  const Fork fork = g_fork.load(std::memory_order_relaxed);
  if (helpers > 0 && !fork && pool().try_run(count, grain, piece, body, helpers)) return;

  struct Team {
    Job job;
    std::thread::id caller = std::this_thread::get_id();
  } team;
  team.job.begin(count, grain, piece, body);
  if (helpers > 0 && fork) {   // always as many threads: OpenMP starts and ends some when their number changes
    const auto work = [](void* data) {
      Team& t = *static_cast<Team*>(data);
      run_pieces(t.job, std::this_thread::get_id() == t.caller);
    };
    fork(work, &team, unsigned(num_threads()), 0);
  } else {
    run_pieces(team.job, true);
  }
  if (team.job.error) std::rethrow_exception(team.job.error);
}

int num_threads() {
  int n = g_threads.load(std::memory_order_relaxed);
  if (n == 0) g_threads = n = default_num_threads();
  return n;
}

void set_num_threads(int n) {
  if (n < 1 || n > kMaxThreads) fail(ErrorKind::kValue, "set_num_threads: n is ", n, "; expected 1 to ", kMaxThreads);
  g_threads = n;
}

void set_interrupt_check(bool (*should_stop)()) { g_should_stop = should_stop; }

}  // namespace fastplm
