// What this machine can do at best: register-only product loops and streaming reads. No product code.
//
// Usage: ceiling <threads>   prints one line "<what> <threads> <best value>" per measurement,
// GFLOP/s (GOP/s for int8), or GB/s for memory. Forms that the CPU lacks are left out.
// A measurement is the best of several short bursts: the machine is shared, and a ceiling is what it can reach.

#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kBursts = 22;
constexpr long kSteps = 1'600'000;  // 3 ms of f32 FMA

// Twelve accumulators cover a latency of 6 at two issues a cycle. The asm statements keep the values alive and keep
// the compiler from seeing that the sums are never used.
#define FOR_12(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

__attribute__((target("avx2,fma"))) double fma_256(long steps) {
#define DECLARE(i) __m256 s##i = _mm256_set1_ps(float(i));
#define STEP(i) __asm__ volatile("vfmadd231ps %1, %1, %0" : "+x"(s##i) : "x"(a));
  __m256 a = _mm256_set1_ps(1e-6f);
  FOR_12(DECLARE)
  for (long n = 0; n < steps; ++n) {
    FOR_12(STEP)
  }
#undef DECLARE
#undef STEP
  return double(steps) * 12 * 8 * 2;
}

#define ZMM_LOOP(name, features, instruction, lanes)                                                                  \
  __attribute__((target(features))) double name(long steps) {                                                         \
    __m512 a = _mm512_setzero_ps();                                                                                   \
    FOR_12(ZMM_DECLARE)                                                                                               \
    for (long n = 0; n < steps; ++n) {                                                                                \
      __asm__ volatile(instruction " %[a], %[a], %[s0]\n\t" instruction " %[a], %[a], %[s1]\n\t" instruction          \
                                   " %[a], %[a], %[s2]\n\t" instruction " %[a], %[a], %[s3]\n\t" instruction          \
                                   " %[a], %[a], %[s4]\n\t" instruction " %[a], %[a], %[s5]\n\t" instruction          \
                                   " %[a], %[a], %[s6]\n\t" instruction " %[a], %[a], %[s7]\n\t" instruction          \
                                   " %[a], %[a], %[s8]\n\t" instruction " %[a], %[a], %[s9]\n\t" instruction          \
                                   " %[a], %[a], %[s10]\n\t" instruction " %[a], %[a], %[s11]"                        \
                       : [s0] "+v"(s0), [s1] "+v"(s1), [s2] "+v"(s2), [s3] "+v"(s3), [s4] "+v"(s4), [s5] "+v"(s5),    \
                         [s6] "+v"(s6), [s7] "+v"(s7), [s8] "+v"(s8), [s9] "+v"(s9), [s10] "+v"(s10), [s11] "+v"(s11) \
                       : [a] "v"(a));                                                                                 \
    }                                                                                                                 \
    return double(steps) * 12 * lanes * 2;                                                                            \
  }
#define ZMM_DECLARE(i) __m512 s##i = _mm512_setzero_ps();
ZMM_LOOP(fma_512, "avx512f", "vfmadd231ps", 16)
ZMM_LOOP(dpbf16_512, "avx512f,avx512bf16", "vdpbf16ps", 32)
ZMM_LOOP(dpbusd_512, "avx512f,avx512vnni", "vpdpbusd", 64)

// --- AMX -------------------------------------------------------------------------------------------------------
struct __attribute__((packed)) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_per_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

alignas(64) thread_local uint8_t tile_data[4][1024];

__attribute__((target("amx-tile"))) void amx_start() {
  TileConfig config;
  __asm__ volatile("" ::"r"(&config) : "memory");  // gcc 12 believes that ldtilecfg reads 8 bytes
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, tile_data[0], 64);
  _tile_loadd(5, tile_data[1], 64);
  _tile_loadd(6, tile_data[2], 64);
  _tile_loadd(7, tile_data[3], 64);
}

// A 2x2 block of tiles: four products per step, the operands either resident or loaded from L1 at each step.
#define AMX_LOOP(name, features, product, load, operations)   \
  __attribute__((target(features))) double name(long steps) { \
    amx_start();                                              \
    for (long n = 0; n < steps / 8; ++n) {                    \
      if (load) {                                             \
        _tile_loadd(4, tile_data[0], 64);                     \
        _tile_loadd(6, tile_data[2], 64);                     \
        _tile_loadd(7, tile_data[3], 64);                     \
        _tile_loadd(5, tile_data[1], 64);                     \
      }                                                       \
      product(0, 4, 6);                                       \
      product(1, 4, 7);                                       \
      product(2, 5, 6);                                       \
      product(3, 5, 7);                                       \
    }                                                         \
    _tile_release();                                          \
    return double(steps / 8) * 4 * operations;                \
  }
AMX_LOOP(amx_bf16, "amx-tile,amx-bf16", _tile_dpbf16ps, false, 16 * 16 * 32 * 2)
AMX_LOOP(amx_bf16_l1, "amx-tile,amx-bf16", _tile_dpbf16ps, true, 16 * 16 * 32 * 2)
AMX_LOOP(amx_int8, "amx-tile,amx-int8", _tile_dpbusd, false, 16 * 16 * 64 * 2)

// --- memory ------------------------------------------------------------------------------------------------------
// Reads `bytes` of this thread's buffer over and over; eight independent sums hide the latency of the additions.
__attribute__((target("avx2"))) double read_bytes(const std::vector<float>& buffer, size_t bytes, long repeats) {
  const float* data = buffer.data();
  const size_t count = bytes / sizeof(float);
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (long n = 0; n < repeats; ++n) {
    for (size_t i = 0; i + 64 <= count; i += 64) {
      s0 = _mm256_add_ps(s0, _mm256_loadu_ps(data + i));
      s1 = _mm256_add_ps(s1, _mm256_loadu_ps(data + i + 8));
      s2 = _mm256_add_ps(s2, _mm256_loadu_ps(data + i + 16));
      s3 = _mm256_add_ps(s3, _mm256_loadu_ps(data + i + 24));
      s4 = _mm256_add_ps(s4, _mm256_loadu_ps(data + i + 32));
      s5 = _mm256_add_ps(s5, _mm256_loadu_ps(data + i + 40));
      s6 = _mm256_add_ps(s6, _mm256_loadu_ps(data + i + 48));
      s7 = _mm256_add_ps(s7, _mm256_loadu_ps(data + i + 56));
    }
    __asm__ volatile("" ::"x"(s0), "x"(s1), "x"(s2), "x"(s3), "x"(s4), "x"(s5), "x"(s6), "x"(s7) : "memory");
  }
  return double(bytes) * double(repeats);
}

// --- timing ------------------------------------------------------------------------------------------------------
struct Span {
  Clock::time_point start, end;
  double done;
};

// `work` runs on every thread at once and returns what it did. One burst's rate is the work of all threads over the
// time from the first start to the last end; the value is the best burst.
double best_rate(int threads, const std::function<double(int)>& work) {
  std::vector<Span> spans(threads * kBursts);
  std::atomic<int> arrived{0};
  std::vector<std::thread> pool;
  for (int t = 0; t < threads; ++t)
    pool.emplace_back([&, t] {
      for (int burst = 0; burst < kBursts; ++burst) {
        arrived.fetch_add(1);
        while (arrived.load() < threads * (burst + 1)) _mm_pause();
        Span& span = spans[burst * threads + t];
        span.start = Clock::now();
        span.done = work(t);
        span.end = Clock::now();
      }
    });
  for (auto& thread : pool) thread.join();

  double best = 0;
  for (int burst = 2; burst < kBursts; ++burst) {  // the first two warm the clock and the caches
    Span all = spans[burst * threads];
    for (int t = 1; t < threads; ++t) {
      const Span& span = spans[burst * threads + t];
      all = {std::min(all.start, span.start), std::max(all.end, span.end), all.done + span.done};
    }
    best = std::max(best, all.done / std::chrono::duration<double>(all.end - all.start).count());
  }
  return best;
}

bool amx_permitted() {
#ifdef SYS_arch_prctl
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

// gcc 12 knows no name for the AMX features: CPUID leaf 7, EDX bits 22 (bf16), 24 (tile), 25 (int8).
unsigned amx_bits() {
  unsigned a = 7, b = 0, c = 0, d = 0;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return d;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  if (threads < 1) {
    std::fprintf(stderr, "usage: ceiling <threads >= 1>\n");
    return 2;
  }
  __builtin_cpu_init();
  const auto report = [&](const char* what, double value) {
    std::printf("%s %d %.1f\n", what, threads, value / 1e9);
    std::fflush(stdout);
  };
  const auto products = [&](const char* what, double (*loop)(long)) {
    report(what, best_rate(threads, [loop](int) { return loop(kSteps); }));
  };

  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) products("f32_fma_256", fma_256);
  if (__builtin_cpu_supports("avx512f")) products("f32_fma_512", fma_512);
  if (__builtin_cpu_supports("avx512bf16")) products("bf16_dot_512", dpbf16_512);
  if (__builtin_cpu_supports("avx512vnni")) products("int8_dot_512", dpbusd_512);
  if ((amx_bits() >> 24 & 1) && amx_permitted()) {
    if (amx_bits() >> 22 & 1) {
      products("bf16_amx", amx_bf16);
      products("bf16_amx_l1_loads", amx_bf16_l1);
    }
    if (amx_bits() >> 25 & 1) products("int8_amx", amx_int8);
  }

  // L2 and L3 sizes fit every recent server core; the last one is larger than any share of L3 a VM gets to keep.
  const std::pair<const char*, size_t> levels[] = {
      {"read_l1", 24ul << 10}, {"read_l2", 768ul << 10}, {"read_l3", 12ul << 20}, {"read_memory", 512ul << 20}};
  std::vector<std::vector<float>> buffers(threads);
  for (auto& buffer : buffers) buffer.assign((512ul << 20) / sizeof(float), 1.0f);
  for (const auto& [what, bytes] : levels)
    report(what, best_rate(threads, [&, bytes = bytes](int t) {
             return read_bytes(buffers[t], bytes, std::max<long>(1, long((256ul << 20) / bytes)));
           }));
  return 0;
}
