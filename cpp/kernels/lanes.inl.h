// Calls body(i, count) over [0, n): full vectors first, then one partial one.
template <class Body>
FASTPLM_INLINE void for_lanes(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + F32::kLanes <= n; i += F32::kLanes) body(i, F32::kLanes);
  if (i < n) body(i, int(n - i));
}

FASTPLM_INLINE int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
FASTPLM_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
FASTPLM_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

template <class T>
static void fill_zero(T* p, int64_t n) {
  __builtin_memset(p, 0, uint64_t(n) * sizeof(T));
}

// Converts n values; from and to may have the same type.
template <class From, class To>
static void convert(const From* from, To* to, int64_t n) noexcept {
  for_lanes(n, [&](int64_t i, int count) { store(to + i, load(from + i, count), count); });
}

// a + b in the first n lanes, a in the others.
FASTPLM_INLINE F32 add_first(F32 a, F32 b, int n) {
  if (n == F32::kLanes) return a + b;
  float lanes[F32::kLanes] = {};
  store(lanes, b, n);
  return a + load(lanes);
}

static float largest_of(const float* x, int64_t n) {
  constexpr int kChains = 4;   // hides the latency of max
  F32 top[kChains];
  for (F32& t : top) t = F32::set1(-__builtin_inff());
  int64_t i = 0;
  for (; i + kChains * F32::kLanes <= n; i += kChains * F32::kLanes) {
#pragma GCC unroll 4
    for (int c = 0; c < kChains; ++c) top[c] = max(load(x + i + c * F32::kLanes), top[c]);
  }
  for (; i + F32::kLanes <= n; i += F32::kLanes) top[0] = max(load(x + i), top[0]);
  float result = largest(max(max(top[0], top[1]), max(top[2], top[3])));
  for (; i < n; ++i) result = x[i] > result ? x[i] : result;
  return result;
}
