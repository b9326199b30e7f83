// Attention of one head over one sequence, in blocks of queries and keys (arXiv:2205.14135).
// Contract: ops/attention.h.
//
// Keys and values are packed once into the panels that gemm reads. A block of queries then walks the keys in
// blocks cut at absolute positions: a query's result does not depend on anything but its own sequence.

constexpr int64_t kQueries = 32;

template <class T>
struct Attention {
  using Tile = Tiles<T>;

  // Sequences up to 512 tokens, the common limit, need no second block and no rescaling.
  static constexpr int64_t kKeys = (512 + Tile::kPanel - 1) / Tile::kPanel * Tile::kPanel;

  const AttentionArgs<T>& a;
  T *keys, *values;         // packed
  float* scores;            // [kQueries, score_columns]
  T* weights;  // [kQueries, score_columns]: exp(score - top) of the current block; f32: in place of scores
  float* sums;  // [kQueries, value_columns]: weights times values so far
  float top[kQueries];  // largest score so far
  float total[kQueries];  // sum of weights so far
  int64_t score_columns, value_columns, bytes;
  typename Tile::Scope scope;

  explicit Attention(const AttentionArgs<T>& args) : a(args) {
    score_columns = round_up(round_up(smaller(a.length, kKeys), Tile::kPanel), Tile::kStep);
    value_columns = round_up(a.head_dim, Tile::kPanel);
    char* memory = (char*)a.workspace;
    const auto take = [&]<class U>(U*& piece, int64_t count) {
      piece = (U*)memory;
      memory += round_up(count * int64_t(sizeof(U)), 64);
    };
    take(keys, round_up(a.length, Tile::kPanel) * round_up(a.head_dim, Tile::kStep));
    take(values, value_columns * round_up(a.length, Tile::kStep));
    take(scores, kQueries * score_columns);
    if constexpr (__is_same(T, float))
      weights = scores;
    else
      take(weights, kQueries * score_columns);
    take(sums, kQueries * value_columns);
    bytes = memory - (char*)a.workspace;
  }

  void run() {
    pack(PackArgs<T, T>{a.k, a.ld, 1, a.length, a.head_dim, keys},
         {0, round_up(a.length, Tile::kPanel) / Tile::kPanel});
    pack(PackArgs<T, T>{a.v, 1, a.ld, a.head_dim, a.length, values}, {0, value_columns / Tile::kPanel});
    for (int64_t q = 0; q < a.length; q += kQueries) queries(q, smaller(kQueries, a.length - q));
  }

  void queries(int64_t q, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r) {
      top[r] = -__builtin_inff();
      total[r] = 0.0f;
    }
    const Range visible = {first_visible(q), last_visible(q + rows - 1)};
    bool begun = false;
    for (int64_t block = visible.begin / kKeys * kKeys; block < visible.end; block += kKeys) {
      const Range keys_here = {larger(block, visible.begin), smaller(block + kKeys, visible.end)};
      score(q, rows, block, keys_here);
      for (int64_t r = 0; r < rows; ++r) weigh(q + r, r, block, keys_here, begun);
      add_values(rows, block, keys_here, begun);
      begun = true;
    }
    for (int64_t r = 0; r < rows; ++r) {
      const F32 scale = F32::set1(1.0f / total[r]);
      T* out = a.out + (q + r) * a.ldo;
      for_lanes(a.head_dim, [&](int64_t i, int n) { store(out + i, load(sums + r * value_columns + i) * scale, n); });
    }
    if (a.weights) write_weights(q, rows, visible);
  }

  int64_t index(int64_t i) const { return a.index ? a.index[i] : i; }

  int64_t first_visible(int64_t q) const {
    if (a.window < 0) return 0;
    if (!a.index) return larger(0, q - a.window);
    int64_t k = q;
    while (k > 0 && index(q) - index(k - 1) <= a.window) --k;
    return k;
  }

  int64_t last_visible(int64_t q) const {  // one past it
    if (a.window < 0) return a.length;
    if (!a.index) return smaller(a.length, q + a.window + 1);
    int64_t k = q;
    while (k < a.length && index(k) - index(q) <= a.window) ++k;
    return k;
  }

  Range visible_to(int64_t q, Range within) const {
    if (a.window < 0) return within;
    return {larger(within.begin, first_visible(q)), smaller(within.end, last_visible(q))};
  }

  // scores[r, k - block] = q . k, scaled and biased, for the whole panels around `here`.
  void score(int64_t q, int64_t rows, int64_t block, Range here) {
    const int64_t padded = round_up(a.head_dim, Tile::kStep);
    for (int64_t k = here.begin / Tile::kPanel * Tile::kPanel; k < here.end; k += Tile::kPanel) {
      for (int64_t r = 0; r < rows; r += Tile::kRows) {
        multiply(scope, smaller(Tile::kRows, rows - r), a.q + (q + r) * a.ld, a.ld, a.head_dim, keys + k * padded,
                 scores + r * score_columns + (k - block), score_columns, here.end - k);
      }
    }
    if (!a.distance_bias && !a.mask) return;
    for (int64_t r = 0; r < rows; ++r) add_bias(q + r, scores + r * score_columns - block, here);
  }

  void add_bias(int64_t q, float* row, Range here) const {
    for (int64_t k = here.begin; k < here.end; ++k) {
      row[k] *= a.scale;
      if (a.distance_bias) row[k] += a.distance_bias[index(k) - index(q)];
      if (a.mask && !a.mask[q * a.mask_ld + k]) row[k] += -__FLT_MAX__;  // as transformers adds it
    }
  }

  float factor() const { return a.distance_bias || a.mask ? 1.0f : a.scale; }  // what scores still lack

  // weights[r] = exp(score - top); what was summed under an older top is scaled down to the new one.
  void weigh(int64_t q, int64_t r, int64_t block, Range here, bool begun) {
    const Range seen = visible_to(q, here);
    const float* s = scores + r * score_columns - block;
    T* w = weights + r * score_columns - block;
    const int64_t from = here.begin / Tile::kStep * Tile::kStep, to = round_up(here.end, Tile::kStep);
    if (seen.size() <= 0) return fill_zero(w + from, to - from);
    fill_zero(w + from, seen.begin - from);
    fill_zero(w + seen.end, to - seen.end);

    const float block_top = largest_of(s + seen.begin, seen.size()) * factor();
    const float new_top = block_top > top[r] ? block_top : top[r];
    const F32 scale = F32::set1(factor() * kLog2E), shift = F32::set1(-new_top * kLog2E);
    F32 sum_here = F32::zero();
    for_lanes(seen.size(), [&](int64_t i, int n) {
      const F32 e = exp2(fma(load(s + seen.begin + i, n), scale, shift), Precision<T>{});
      sum_here = add_first(sum_here, e, n);
      store(w + seen.begin + i, e, n);
    });
    if (begun) {
      float alpha;
      store(&alpha, exp2(F32::set1((top[r] - new_top) * kLog2E), Exact{}), 1);
      total[r] *= alpha;
      for_lanes(value_columns, [&](int64_t i, int) {
        float* p = sums + r * value_columns + i;
        store(p, load(p) * F32::set1(alpha));
      });
    }
    total[r] += sum(sum_here);
    top[r] = new_top;
  }

  void add_values(int64_t rows, int64_t block, Range here, bool begun) {
    const int64_t from = here.begin / Tile::kStep * Tile::kStep, to = round_up(here.end, Tile::kStep);
    const int64_t padded_length = round_up(a.length, Tile::kStep);
    for (int64_t c = 0; c < value_columns; c += Tile::kPanel) {
      for (int64_t r = 0; r < rows; r += Tile::kRows) {
        Tile::run(scope, smaller(Tile::kRows, rows - r), weights + r * score_columns + (from - block), score_columns,
                  to - from, values + c * padded_length + from * Tile::kPanel, sums + r * value_columns + c,
                  value_columns, a.head_dim - c, begun);
      }
    }
  }

  // The probabilities themselves, from scores computed once more under the final top and total.
  void write_weights(int64_t q, int64_t rows, Range visible) {
    for (int64_t r = 0; r < rows; ++r) fill_zero(a.weights + (q + r) * a.weights_ld, a.length);
    for (int64_t block = visible.begin / kKeys * kKeys; block < visible.end; block += kKeys) {
      const Range here = {larger(block, visible.begin), smaller(block + kKeys, visible.end)};
      score(q, rows, block, here);
      for (int64_t r = 0; r < rows; ++r) {
        const Range seen = visible_to(q + r, here);
        const float* s = scores + r * score_columns - block;
        float* out = a.weights + (q + r) * a.weights_ld;
        const F32 scale = F32::set1(factor() * kLog2E), shift = F32::set1(-top[r] * kLog2E);
        const F32 divisor = F32::set1(total[r]);
        for_lanes(seen.size(), [&](int64_t i, int n) {
          store(out + seen.begin + i, exp2(fma(load(s + seen.begin + i, n), scale, shift), Exact{}) / divisor, n);
        });
      }
    }
  }
};

template <class T>
static void attention(const AttentionArgs<T>& a) noexcept {
  Attention<T>(a).run();
}

template <class T>
static int64_t attention_workspace(int64_t head_dim, int64_t length) noexcept {
  AttentionArgs<T> a{};
  a.head_dim = head_dim;
  a.length = length;
  return Attention<T>(a).bytes;
}
