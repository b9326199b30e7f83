// Random bits from a counter, and what dropout keeps.
//
// Philox4x32 with 7 rounds, the fewest that pass every test of BigCrush (Salmon et al., "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011). A counter (16 g + lane, row, offset) gives four words; of the elements 128 g to
// 128 g + 127 of a row, word w of lane l decides 128 g + 32 w + l with its low half and 128 g + 32 w + 16 + l with its
// high one.

constexpr int64_t kDropGroup = 128;

FASTPLM_INLINE void philox(const Dropout& d, uint32_t row, uint32_t counter, U32 (&words)[4]) {
  constexpr uint32_t kFactors[] = {0xd2511f53, 0xcd9e8d57}, kKeySteps[] = {0x9e3779b9, 0xbb67ae85};
  U32 a = U32::from(counter), b = U32::set1(row), c = U32::set1(d.offset[0]), e = U32::set1(d.offset[1]);
  uint32_t key[] = {d.key[0], d.key[1]};
#pragma GCC unroll 7
  for (int round = 0; round < 7; ++round) {
    U32 high_a, high_c;
    const U32 low_a = multiply(a, kFactors[0], high_a), low_c = multiply(c, kFactors[1], high_c);
    a = high_c ^ b ^ U32::set1(key[0]);
    b = low_c;
    c = high_a ^ e ^ U32::set1(key[1]);
    e = low_a;
    key[0] += kKeySteps[0];
    key[1] += kKeySteps[1];
  }
  words[0] = a;
  words[1] = b;
  words[2] = c;
  words[3] = e;
}

// keep[i]: what element 128 group + i of the row is multiplied by.
static void fill_keep(const Dropout& d, int64_t row, int64_t group, float* keep) {
  const F32 scale = F32::set1(d.scale), limit = F32::set1(d.threshold - 0.5f);
  for (int lane = 0; lane < 16; lane += F32::kLanes) {
    U32 words[4];
    philox(d, uint32_t(row), uint32_t(group * 16 + lane), words);
    for (int w = 0; w < 4; ++w) {
      store(keep + 32 * w + lane, above(low_half(words[w]), limit, scale));
      store(keep + 32 * w + 16 + lane, above(high_half(words[w]), limit, scale));
    }
  }
}

// Calls body(i, count, keep) over the elements [0, dim) of a row, as for_lanes does; keep: a vector of factors.
template <class Body>
FASTPLM_INLINE void for_kept(const Dropout& d, int64_t row, int64_t dim, Body body) {
  if (!d) return for_lanes(dim, [&](int64_t i, int n) { body(i, n, F32::set1(1.0f)); });
  alignas(64) float keep[kDropGroup];
  for (int64_t from = 0; from < dim; from += kDropGroup) {
    fill_keep(d, row, from / kDropGroup, keep);
    for_lanes(smaller(kDropGroup, dim - from), [&](int64_t i, int n) { body(from + i, n, load(keep + i)); });
  }
}
