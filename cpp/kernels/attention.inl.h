// Attention of one head over one sequence, in blocks of queries and keys (arXiv:2205.14135).
// Contract: ops/attention.h.
//
// Keys and values lie in panels already (keys.inl.h). A block of queries walks them in blocks cut at absolute
// positions: a query's result does not depend on anything but its own sequence.

constexpr int64_t kQueries = 32;

template <class T>
struct Attention {
  using Tile = FloatTiles<T>;
  static_assert(kKeyBlock % Tile::kPanel == 0 && Tile::kPanel % Tile::kStep == 0);

  const AttentionArgs<T>& a;
  float* scores;            // [kQueries, score_columns]
  T* weights;  // [kQueries, score_columns]: exp(score - top) of the current block; f32: in place of scores
  float* sums;  // [kQueries, sum_columns]: weights times values so far
  float* by_query;  // [kQueries, positions]: queries times position keys
  float* by_key;  // [positions, kPanel]: position queries times the keys of a panel
  float top[kQueries];  // largest score so far
  float total[kQueries];  // sum of weights so far
  int64_t score_columns, sum_columns, bytes;
  typename Tile::Scope scope;

  explicit Attention(const AttentionArgs<T>& args) : a(args) {
    score_columns = round_up(smaller(a.length, kKeyBlock), Tile::kPanel);
    sum_columns = value_columns<T>(a.keys.head_dim);
    char* memory = (char*)a.workspace;
    const auto take = [&]<class U>(U*& piece, int64_t count) {
      piece = (U*)memory;
      memory += round_up(count * int64_t(sizeof(U)), 64);
    };
    take(scores, kQueries * score_columns);
    if constexpr (__is_same(T, float))
      weights = scores;
    else
      take(weights, kQueries * score_columns);
    take(sums, kQueries * sum_columns);
    if (a.positions) {
      take(by_query, kQueries * round_up(a.positions, Tile::kPanel));
      take(by_key, a.positions * Tile::kPanel);
    }
    bytes = memory - (char*)a.workspace;
  }

  void run() {
    for (int64_t q = 0; q < a.count; q += kQueries) queries(q, smaller(kQueries, a.count - q));
  }

  void queries(int64_t q, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r) {
      top[r] = -__builtin_inff();
      total[r] = 0.0f;
    }
    const Range visible = {first_visible(q), last_visible(q + rows - 1)};
    bool begun = false;
    for (int64_t block = visible.begin / kKeyBlock * kKeyBlock; block < visible.end; block += kKeyBlock) {
      const Range keys_here = {larger(block, visible.begin), smaller(block + kKeyBlock, visible.end)};
      score(q, rows, block, keys_here);
      for (int64_t r = 0; r < rows; ++r) weigh(q + r, r, block, keys_here, begun);
      add_values(rows, block, keys_here, begun);
      begun = true;
    }
    if (!begun) fill_zero(sums, kQueries * sum_columns);   // there are no keys
    for (int64_t r = 0; r < rows; ++r) {
      const F32 scale = F32::set1(begun ? 1.0f / total[r] : 0.0f);
      T* out = a.out + (q + r) * a.ldo;
      for_lanes(a.keys.head_dim,
                [&](int64_t i, int n) { store(out + i, load(sums + r * sum_columns + i) * scale, n); });
    }
    if (a.weights) write_weights(q, rows, visible);
  }

  int64_t index(int64_t i) const { return a.index ? a.index[i] : i; }
  int64_t at(int64_t q) const { return a.at ? a.at[q * a.step] : index(a.first + q * a.step); }

  int64_t first_from(int64_t index_of_key) const {   // the first key that stands there or behind it
    if (!a.index) return smaller(larger(0, index_of_key), a.length);
    Range between = {0, a.length};
    while (between.size() > 0) {
      const int64_t middle = (between.begin + between.end) / 2;
      if (a.index[middle] < index_of_key)
        between.begin = middle + 1;
      else
        between.end = middle;
    }
    return between.begin;
  }

  int64_t first_visible(int64_t q) const { return a.back == kFar ? 0 : first_from(at(q) - a.back); }
  int64_t last_visible(int64_t q) const {  // one past it
    return a.ahead == kFar ? a.length : first_from(at(q) + a.ahead + 1);
  }

  Range visible_to(int64_t q, Range within) const {
    return {larger(within.begin, first_visible(q)), smaller(within.end, last_visible(q))};
  }

  // scores[r, k - block] = q . k, scaled and biased, for the whole panels around `here`.
  void score(int64_t q, int64_t rows, int64_t block, Range here) {
    const int64_t head_dim = a.keys.head_dim, columns = key_columns<T>(head_dim), page_rows = a.keys.rows;
    for (int64_t k = here.begin / Tile::kPanel * Tile::kPanel; k < here.end; k += Tile::kPanel) {
      const T* panel = a.keys.pages[k / page_rows] + a.keys.keys_at + k % page_rows * columns;
      for (int64_t r = 0; r < rows; r += Tile::kRows) {
        multiply(scope, smaller(Tile::kRows, rows - r), a.q + (q + r) * a.ldq, a.ldq, head_dim, panel,
                 scores + r * score_columns + (k - block), score_columns, here.end - k);
      }
    }
    if (a.place && a.position_keys) add_position_keys(q, rows, block, here);
    if (a.place && a.position_queries) add_position_queries(q, rows, block, here);
    if (a.other) add_other_segments(q, rows, block, here);
    if (!scores_change()) return;
    for (int64_t r = 0; r < rows; ++r) change(q + r, scores + r * score_columns - block, here);
  }

  // The rows of positions that some of these queries and keys need.
  Range positions_of(int64_t q, int64_t rows, Range keys) const {
    const int64_t first = at(q), last = at(q + rows - 1);
    const int64_t one = a.place[index(keys.begin) - last], other = a.place[index(keys.end - 1) - first];
    return {smaller(one, other), larger(one, other) + 1};
  }

  void add_position_keys(int64_t q, int64_t rows, int64_t block, Range here) {
    const int64_t head_dim = a.keys.head_dim, columns = key_columns<T>(head_dim);
    const Range used = positions_of(q, rows, here);
    const int64_t begin = used.begin / Tile::kPanel * Tile::kPanel, width = round_up(used.end - begin, Tile::kPanel);
    for (int64_t p = begin; p < used.end; p += Tile::kPanel) {
      for (int64_t r = 0; r < rows; r += Tile::kRows) {
        multiply(scope, smaller(Tile::kRows, rows - r), a.q + (q + r) * a.ldq, a.ldq, head_dim,
                 a.position_keys + p * columns, by_query + r * width + (p - begin), width, used.end - p);
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      const int32_t* place_of = a.place - at(q + r);
      float* own = by_query + r * width - begin;
      float* row = scores + r * score_columns - block;
      for (int64_t p = used.begin; a.position_bias && p < used.end; ++p) own[p] += a.position_bias[p];
      if (a.index) {
        for (int64_t k = here.begin; k < here.end; ++k) row[k] += own[place_of[a.index[k]]];
      } else {
        for (int64_t k = here.begin; k < here.end; ++k) row[k] += own[place_of[k]];
      }
    }
  }

  // A panel of keys at a time: few positions are as far from some of the queries as from some of its keys.
  void add_position_queries(int64_t q, int64_t rows, int64_t block, Range here) {
    const int64_t head_dim = a.keys.head_dim, columns = key_columns<T>(head_dim), page_rows = a.keys.rows;
    for (int64_t k = here.begin / Tile::kPanel * Tile::kPanel; k < here.end; k += Tile::kPanel) {
      const Range keys = {larger(k, here.begin), smaller(k + Tile::kPanel, here.end)};
      const Range used = positions_of(q, rows, keys);
      const T* panel = a.keys.pages[k / page_rows] + a.keys.keys_at + k % page_rows * columns;
      for (int64_t p = used.begin; p < used.end; p += Tile::kRows) {
        multiply(scope, smaller(Tile::kRows, used.end - p), a.position_queries + p * a.position_ld, a.position_ld,
                 head_dim, panel, by_key + (p - used.begin) * Tile::kPanel, Tile::kPanel, keys.end - k);
      }
      for (int64_t r = 0; r < rows; ++r) {
        const int32_t* place_of = a.place - at(q + r);
        float* row = scores + r * score_columns - block;
        for (int64_t j = keys.begin; j < keys.end; ++j) {
          row[j] += by_key[(place_of[index(j)] - used.begin) * Tile::kPanel + (j - k)];
        }
      }
    }
  }

  // For keys of another segment than the query's.
  void add_other_segments(int64_t q, int64_t rows, int64_t block, Range here) {
    for (int64_t r = 0; r < rows; ++r) {
      const T* query = a.q + (q + r) * a.ldq;
      F32 sum_here = F32::zero();
      for_lanes(a.keys.head_dim, [&](int64_t i, int n) {
        sum_here = add_first(sum_here, load(query + i, n) * load(a.other + i, n), n);
      });
      const float added = sum(sum_here) + a.other_bias;
      const int32_t own = a.segments[(q + r) * a.step];
      float* row = scores + r * score_columns - block;
      for (int64_t k = here.begin; k < here.end; ++k) row[k] += a.key_segments[k] == own ? 0.0f : added;
    }
  }

  bool scores_change() const { return a.distance_bias || a.mask || a.softcap > 0.0f; }   // by more than their scale

  // Added to the scores of hidden keys: so low that a row which sees no key weighs all alike, as with the lowest f32
  // that transformers adds, whose product with kLog2E is infinite; that of a power of two is finite and exact.
  static constexpr float kHidden = -0x1p126f;

  void change(int64_t q, float* row, Range here) const {
    const bool capped = a.softcap > 0.0f;
    if (capped) cap(row + here.begin, here.size());
    if (!a.distance_bias && !a.mask) return;
    const float* bias = a.distance_bias ? a.distance_bias + q * a.bias_step : nullptr;
    const uint8_t* mask = a.mask ? a.mask + q * a.mask_ld : nullptr;
    const int64_t own = bias ? at(q) : 0;
    for (int64_t k = here.begin; k < here.end; ++k) {
      if (!capped) row[k] *= a.scale;
      if (bias) row[k] += bias[index(k) - own];
      if (mask && !mask[k]) row[k] += kHidden;
    }
  }

  void cap(float* scores_of_row, int64_t count) const {
    const F32 inner = F32::set1(a.scale / a.softcap), outer = F32::set1(a.softcap);
    for_lanes(count,
              [&](int64_t i, int n) { store(scores_of_row + i, tanh(load(scores_of_row + i, n) * inner) * outer, n); });
  }

  float factor() const { return scores_change() ? 1.0f : a.scale; }  // what scores still lack

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
      for_lanes(sum_columns, [&](int64_t i, int) {
        float* p = sums + r * sum_columns + i;
        store(p, load(p) * F32::set1(alpha));
      });
    }
    total[r] += sum(sum_here);
    top[r] = new_top;
  }

  void add_values(int64_t rows, int64_t block, Range here, bool begun) {
    const int64_t from = here.begin / Tile::kStep * Tile::kStep, to = round_up(here.end, Tile::kStep);
    const int64_t page_rows = a.keys.rows;
    for (int64_t k = from; k < to;) {   // the keys of one page at a time
      const int64_t at = k % page_rows, n = smaller(page_rows - at, to - k);
      const T* page = a.keys.pages[k / page_rows] + a.keys.values_at;
      for (int64_t c = 0; c < sum_columns; c += Tile::kPanel) {
        const int64_t width = smaller(Tile::kPanel, sum_columns - c);
        for (int64_t r = 0; r < rows; r += Tile::kRows) {
          Tile::template run<true>(scope, smaller(Tile::kRows, rows - r), weights + r * score_columns + (k - block),
                                   score_columns, n, page + c * page_rows + at * width, sums + r * sum_columns + c,
                                   sum_columns, width, begun || k > from);
        }
      }
      k += n;
    }
  }

  // The probabilities themselves, from scores computed once more under the final top and total.
  void write_weights(int64_t q, int64_t rows, Range visible) {
    for (int64_t r = 0; r < rows; ++r) fill_zero(a.weights + (q + r) * a.weights_ld, a.length);
    for (int64_t block = visible.begin / kKeyBlock * kKeyBlock; block < visible.end; block += kKeyBlock) {
      const Range here = {larger(block, visible.begin), smaller(block + kKeyBlock, visible.end)};
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
static int64_t attention_workspace(int64_t head_dim, int64_t length, int64_t positions) noexcept {
  AttentionArgs<T> a{};
  a.positions = positions;
  a.keys.head_dim = head_dim;
  a.length = length;
  return Attention<T>(a).bytes;
}
