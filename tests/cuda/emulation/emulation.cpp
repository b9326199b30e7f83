#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <memory>

#include "cuda/machine.cuh"

dim3 threadIdx, blockIdx;

namespace fastplm::cuda::emulated {
namespace {

constexpr size_t kStack = 256 << 10;
constexpr int kMostThreads = 1024;

enum class State { kReady, kAtWarp, kAtBlock, kDone };

struct Copy {
  void* to;
  const void* from;
};

struct Fiber {
  std::unique_ptr<char[]> stack{new char[kStack]};
  ucontext_t start;
  jmp_buf at;
  State state;
  bool begun;
  std::vector<std::vector<Copy>> groups;   // the last one is not ended
};

Fiber fibers[kMostThreads];
Words published[kMostThreads];
const char* names[kMostThreads];
jmp_buf scheduler;
int current;
const std::function<void()>* body;
std::vector<char> memory;

void start_fiber() {
  (*body)();
  fibers[current].state = State::kDone;
  _longjmp(scheduler, 1);
}

void yield(State state) {
  Fiber& self = fibers[current];
  self.state = state;
  if (_setjmp(self.at) == 0) _longjmp(scheduler, 1);
}

void resume(int index) {
  current = index;
  threadIdx.x = unsigned(index);
  if (_setjmp(scheduler)) return;
  Fiber& fiber = fibers[index];
  if (fiber.begun) _longjmp(fiber.at, 1);
  fiber.begun = true;
  setcontext(&fiber.start);
}

// Lets whoever waits for others go on, if they all have come. Returns whether anybody may.
bool release(int threads) {
  bool any = false;
  for (int first = 0; first < threads; first += 32) {
    const int last = std::min(threads, first + 32);
    int waiting = 0, done = 0;
    for (int i = first; i < last; ++i) {
      waiting += fibers[i].state == State::kAtWarp;
      done += fibers[i].state == State::kDone;
    }
    if (waiting && done) give_up("a warp's instruction without all its lanes");
    if (waiting != 32) continue;
    for (int i = first; i < last; ++i) {
      if (names[i] != names[first]) give_up("the lanes of a warp are at different instructions");
      fibers[i].state = State::kReady;
    }
    any = true;
  }
  if (any) return true;
  int waiting = 0, done = 0;
  for (int i = 0; i < threads; ++i) {
    waiting += fibers[i].state == State::kAtBlock;
    done += fibers[i].state == State::kDone;
  }
  if (waiting == 0 && done == threads) return false;
  if (waiting + done < threads) give_up("a barrier that not all threads reach");
  for (int i = 0; i < threads; ++i) {
    if (fibers[i].state == State::kAtBlock) fibers[i].state = State::kReady;
  }
  return true;
}

}  // namespace

void give_up(const char* why) {
  std::fprintf(stderr, "emulated kernel: %s (block %u, %u)\n", why, blockIdx.x, blockIdx.y);
  std::abort();
}

char* shared_memory() {
  return reinterpret_cast<char*>((reinterpret_cast<uintptr_t>(memory.data()) + 127) / 128 * 128);
}

void run(dim3 grid, int threads, int shared_bytes, const std::function<void()>& thread) {
  if (threads % 32 || threads > kMostThreads) give_up("a block is not of whole warps");
  body = &thread;
  for (blockIdx.y = 0; blockIdx.y < grid.y; ++blockIdx.y) {
    for (blockIdx.x = 0; blockIdx.x < grid.x; ++blockIdx.x) {
      memory.assign(size_t(shared_bytes) + 128, char(0xff));   // NaN, until somebody writes
      for (int i = 0; i < threads; ++i) {
        Fiber& fiber = fibers[i];
        getcontext(&fiber.start);
        fiber.start.uc_stack.ss_sp = fiber.stack.get();
        fiber.start.uc_stack.ss_size = kStack;
        fiber.start.uc_link = nullptr;
        makecontext(&fiber.start, start_fiber, 0);
        fiber.state = State::kReady;
        fiber.begun = false;
        fiber.groups.assign(1, {});
      }
      bool backwards = false;
      do {
        backwards = !backwards;
        for (int i = 0; i < threads; ++i) {
          const int index = backwards ? threads - 1 - i : i;
          if (fibers[index].state == State::kReady) resume(index);
        }
      } while (release(threads));
    }
  }
}

void sync_block() { yield(State::kAtBlock); }

void with_warp(const char* name, const Words& mine, const std::function<void(const Words* all)>& use) {
  std::memcpy(published[current], mine, sizeof mine);
  names[current] = name;
  yield(State::kAtWarp);
  use(published + current / 32 * 32);
  names[current] = "end";
  yield(State::kAtWarp);   // nobody publishes again before all have read
}

void copy_later(void* to, const void* from) {
  if (reinterpret_cast<uintptr_t>(to) % 16 || reinterpret_cast<uintptr_t>(from) % 16)
    give_up("copy_in_background: an address is not 16-byte aligned");
  fibers[current].groups.back().push_back({to, from});
}
void end_of_group() { fibers[current].groups.emplace_back(); }
void wait_for_groups(int pending) {
  auto& groups = fibers[current].groups;
  while (int(groups.size()) - 1 > pending) {
    for (const Copy& copy : groups.front()) std::memcpy(copy.to, copy.from, 16);
    groups.erase(groups.begin());
  }
}

}  // namespace fastplm::cuda::emulated
