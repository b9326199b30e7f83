// Attention for training: results with the logarithm of each row's sum, and gradients that compute the probabilities
// again from it (arXiv:2205.14135, 2307.08691). Contract: ops/train/flash.h.
//
// One call computes the heads of queries that share a head of keys, over one sequence, in blocks of queries and keys
// that lie at absolute positions.

template <class T>
struct Flash {
  using Inner = typename Product<T>::Inner;
  using Tile = FloatTiles<Inner>;
  static constexpr int64_t kQueries = 64, kPanel = Tile::kPanel;
  static constexpr int64_t kKeys = kDropGroup % kPanel ? 3 * kDropGroup : kDropGroup;   // whole panels, whole groups
  static_assert(kKeys % kPanel == 0 && kQueries % Tile::kStep == 0 && kKeys % Tile::kStep == 0);

  const FlashArgs<T>& a;
  int64_t depth = round_up(a.head_dim, Tile::kStep);       // of products over a head
  int64_t width = round_up(a.head_dim, kPanel);            // of results that are a head wide
  int64_t keys = round_up(a.keys, Tile::kStep);            // of products over all keys
  int64_t columns = round_up(kKeys, kPanel);               // of a block of scores
  char* memory = (char*)a.workspace;
  typename Tile::Scope scope;

  template <class U>
  void take(U*& piece, int64_t count) {
    piece = (U*)memory;
    memory += round_up(count * int64_t(sizeof(U)), 64);
  }

  // b [n, k] for products with rows of k, and its transpose.
  void pack_rows_of(const T* b, int64_t ld, int64_t n, Inner* panels) const {
    pack_floats<Inner>(PackArgs<T>{b, ld, 1, n, a.head_dim, panels}, {0, (n + kPanel - 1) / kPanel});
  }
  void pack_columns_of(const T* b, int64_t ld, int64_t k, Inner* panels) const {
    pack_floats<Inner>(PackArgs<T>{b, 1, ld, a.head_dim, k, panels}, {0, width / kPanel});
  }

  // Rows of a head in Inner, [rows, depth].
  void copy_rows(const T* from, int64_t ld, int64_t rows, Inner* to) const {
    for (int64_t r = 0; r < rows; ++r) {
      if (depth > a.head_dim) fill_zero(to + r * depth, depth);
      convert(from + r * ld, to + r * depth, a.head_dim);
    }
  }

  // c [rows, n] (+)= x [rows, k] b, b's panels `stride` values apart.
  void multiply(int64_t rows, const Inner* x, int64_t ldx, int64_t k, const Inner* panels, int64_t stride, int64_t n,
                float* c, int64_t ldc, bool accumulate) {
    for (int64_t j = 0; j < n; j += kPanel, panels += stride) {
      for (int64_t r = 0; r < rows; r += Tile::kRows) {
        Tile::run(scope, smaller(Tile::kRows, rows - r), x + r * ldx, ldx, k, panels, c + r * ldc + j, ldc, n - j,
                  accumulate);
      }
    }
  }

  int64_t place(int64_t q) const { return a.keys - a.queries + q; }
  Range seen(int64_t q) const {   // keys of query q
    const int64_t own = place(q);
    return {a.back == kFar ? 0 : smaller(a.keys, larger(0, own - a.back)),
            a.ahead == kFar ? a.keys : larger(0, smaller(a.keys, own + a.ahead + 1))};
  }
  Range seen_by(int64_t q, int64_t rows) const { return {seen(q).begin, seen(q + rows - 1).end}; }

  // What dropout multiplies a row's probabilities in the block by.
  void fill(int64_t head, int64_t query, int64_t block, float* keep) const {
    if (!a.dropout) return;
    for (int64_t j = 0; j < kKeys; j += kDropGroup) {
      fill_keep(a.dropout, a.row + query * a.row_step + head, (block + j) / kDropGroup, keep + j);
    }
  }

  // Row r's keys in the block, and its scores there made final: scaled, biased.
  Range finish_scores(int64_t q, int64_t head, int64_t block, float* s) const {
    Range here = seen(q);
    here = {larger(here.begin, block) - block, smaller(here.end, block + kKeys) - block};
    const float* bias = a.bias ? a.bias + head * a.bias_head + q * a.bias_row + block : nullptr;
    for_lanes(larger(0, here.size()), [&](int64_t i, int n) {
      const int64_t j = here.begin + i;
      F32 v = load(s + j, n) * F32::set1(a.scale);
      if (bias) v = v + load(bias + j, n);
      store(s + j, v, n);
    });
    return here;
  }
};

template <class T>
struct FlashForward : Flash<T> {
  using Base = Flash<T>;
  using Base::a;
  using Base::kKeys;
  using Base::kPanel;
  using Base::kQueries;
  using typename Base::Inner;
  Inner *k_panels, *v_panels, *q, *weights;
  float *scores, *sums;
  float top[kQueries], total[kQueries];

  explicit FlashForward(const FlashArgs<T>& args) : Base{args} {
    this->take(k_panels, round_up(a.keys, kPanel) * this->depth);
    this->take(v_panels, this->width * this->keys);
    this->take(q, kQueries * this->depth);
    this->take(weights, kQueries * kKeys);
    this->take(scores, kQueries * this->columns);
    this->take(sums, kQueries * this->width);
  }

  void run() {
    this->pack_rows_of(a.k, a.ldk, a.keys, k_panels);
    this->pack_columns_of(a.v, a.ldk, a.keys, v_panels);
    for (int64_t head = 0; head < a.group; ++head) {
      for (int64_t at = 0; at < a.queries; at += kQueries) block(head, at, smaller(kQueries, a.queries - at));
    }
  }

  void block(int64_t head, int64_t at, int64_t rows) {
    this->copy_rows(a.q + at * a.ldq + head * a.head_dim, a.ldq, rows, q);
    fill_zero(sums, rows * this->width);
    for (int64_t r = 0; r < rows; ++r) {
      top[r] = -__builtin_inff();
      total[r] = 0.0f;
    }
    const Range visible = this->seen_by(at, rows);
    for (int64_t k = visible.begin / kKeys * kKeys; k < visible.end; k += kKeys) {
      const int64_t n = smaller(kKeys, a.keys - k), steps = smaller(kKeys, this->keys - k);
      this->multiply(rows, q, this->depth, this->depth, k_panels + k * this->depth, kPanel * this->depth, n, scores,
                     this->columns, false);
      for (int64_t r = 0; r < rows; ++r) weigh(head, at + r, r, k, steps);
      this->multiply(rows, weights, kKeys, steps, v_panels + k * kPanel, kPanel * this->keys, a.head_dim, sums,
                     this->width, true);
    }
    for (int64_t r = 0; r < rows; ++r) {
      const F32 scale = F32::set1(total[r] > 0 ? 1.0f / total[r] : 0.0f);
      T* out = a.out + (at + r) * a.ldq + head * a.head_dim;
      for_lanes(a.head_dim, [&](int64_t i, int n) { store(out + i, load(sums + r * this->width + i) * scale, n); });
      a.lse[(at + r) * a.row_step + head] = total[r] > 0 ? top[r] + log_of(total[r]) : -__builtin_inff();
    }
  }

  void weigh(int64_t head, int64_t query, int64_t r, int64_t block, int64_t steps) {
    float* s = scores + r * this->columns;
    Inner* w = weights + r * kKeys;
    const Range here = this->finish_scores(query, head, block, s);
    fill_zero(w, steps);
    if (here.size() <= 0) return;
    const float block_top = largest_of(s + here.begin, here.size()), new_top = block_top > top[r] ? block_top : top[r];
    if (new_top == -__builtin_inff()) return;   // a bias hides all keys so far
    if (total[r] > 0 && new_top > top[r]) {
      float alpha;
      store(&alpha, exp2(F32::set1((top[r] - new_top) * kLog2E), Exact{}), 1);
      total[r] *= alpha;
      for_lanes(this->width, [&](int64_t i, int) {
        float* p = sums + r * this->width + i;
        store(p, load(p) * F32::set1(alpha));
      });
    }
    top[r] = new_top;
    alignas(64) float keep[kKeys];
    this->fill(head, query, block, keep);
    F32 sum_here = F32::zero();
    for_lanes(here.size(), [&](int64_t i, int n) {
      const int64_t j = here.begin + i;
      F32 e = exp2((load(s + j, n) - F32::set1(new_top)) * F32::set1(kLog2E), Precision<T>{});
      sum_here = add_first(sum_here, e, n);
      if (a.dropout) e = e * load(keep + j, n);
      store(w + j, e, n);
    });
    total[r] += sum(sum_here);
  }
};

template <class T>
struct FlashBackward : Flash<T> {
  using Base = Flash<T>;
  using Base::a;
  using Base::kKeys;
  using Base::kPanel;
  using Base::kQueries;
  using typename Base::Inner;
  const FlashGradArgs<T>& g;
  Inner *k_panels, *v_panels, *k_columns, *q, *dout, *q_columns, *dout_columns;
  Inner *dscores, *turned_dscores, *turned_weights;
  float *scores, *dweights, *dq, *dk, *dv;
  float* p_rows;   // [kQueries, kKeys]: probabilities after dropout, then to be turned

  explicit FlashBackward(const FlashGradArgs<T>& args) : Base{args.forward}, g(args) {
    const int64_t padded = round_up(a.keys, kPanel), wide = this->width, deep = this->depth;
    this->take(k_panels, padded * deep);
    this->take(v_panels, padded * deep);
    this->take(k_columns, wide * this->keys);
    this->take(q, kQueries * deep);
    this->take(dout, kQueries * deep);
    this->take(q_columns, wide * kQueries);
    this->take(dout_columns, wide * kQueries);
    this->take(dscores, kQueries * kKeys);
    this->take(turned_dscores, kQueries * kKeys);
    this->take(turned_weights, kQueries * kKeys);
    this->take(scores, kQueries * this->columns);
    this->take(dweights, kQueries * this->columns);
    this->take(p_rows, kQueries * kKeys);
    this->take(dq, kQueries * wide);
    this->take(dk, a.keys * wide);
    this->take(dv, a.keys * wide);
  }

  void run() {
    this->pack_rows_of(a.k, a.ldk, a.keys, k_panels);
    this->pack_rows_of(a.v, a.ldk, a.keys, v_panels);
    this->pack_columns_of(a.k, a.ldk, a.keys, k_columns);
    fill_zero(dk, a.keys * this->width);
    fill_zero(dv, a.keys * this->width);
    for (int64_t head = 0; head < a.group; ++head) {
      for (int64_t at = 0; at < a.queries; at += kQueries) block(head, at, smaller(kQueries, a.queries - at));
    }
    write(dk, a.keys, g.dk, a.ldk);
    write(dv, a.keys, g.dv, a.ldk);
  }

  void write(const float* from, int64_t rows, T* to, int64_t ld) const {
    for (int64_t r = 0; r < rows; ++r) convert(from + r * this->width, to + r * ld, a.head_dim);
  }

  void block(int64_t head, int64_t at, int64_t rows) {
    const int64_t offset = at * a.ldq + head * a.head_dim, steps = round_up(rows, Base::Tile::kStep);
    this->copy_rows(a.q + offset, a.ldq, rows, q);
    this->copy_rows(g.dout + offset, a.ldq, rows, dout);
    this->pack_columns_of(a.q + offset, a.ldq, rows, q_columns);
    this->pack_columns_of(g.dout + offset, a.ldq, rows, dout_columns);
    float shares[kQueries];   // of each row: the sum over keys of probability times its gradient
    for (int64_t r = 0; r < rows; ++r) {
      F32 total = F32::zero();
      for_lanes(a.head_dim, [&](int64_t i, int n) {
        total = fma(load(g.dout + offset + r * a.ldq + i, n), load(a.out + offset + r * a.ldq + i, n), total);
      });
      shares[r] = sum(total);
    }
    fill_zero(dq, rows * this->width);
    const Range visible = this->seen_by(at, rows);
    for (int64_t k = visible.begin / kKeys * kKeys; k < visible.end; k += kKeys) {
      const int64_t n = smaller(kKeys, a.keys - k), deep = this->depth, wide = this->width;
      this->multiply(rows, q, deep, deep, k_panels + k * deep, kPanel * deep, n, scores, this->columns, false);
      this->multiply(rows, dout, deep, deep, v_panels + k * deep, kPanel * deep, n, dweights, this->columns, false);
      for (int64_t r = 0; r < rows; ++r) differentiate(head, at + r, r, k, shares[r]);
      turn(p_rows, rows, steps, n, turned_weights);
      turn(scores, rows, steps, n, turned_dscores);
      this->multiply(rows, dscores, kKeys, smaller(kKeys, this->keys - k), k_columns + k * kPanel, kPanel * this->keys,
                     a.head_dim, dq, wide, true);
      this->multiply(n, turned_weights, kQueries, steps, dout_columns, kPanel * steps, a.head_dim, dv + k * wide, wide,
                     true);
      this->multiply(n, turned_dscores, kQueries, steps, q_columns, kPanel * steps, a.head_dim, dk + k * wide, wide,
                     true);
    }
    write(dq, rows, g.dq + offset, a.ldq);
  }

  // Row r of scores becomes the gradient of q . k, also in dscores; p_rows: what multiplied the values.
  void differentiate(int64_t head, int64_t query, int64_t r, int64_t block, float share) {
    float *s = scores + r * this->columns, *p = p_rows + r * kKeys;
    const float* dw = dweights + r * this->columns;
    Inner* ds = dscores + r * kKeys;
    const Range here = this->finish_scores(query, head, block, s);
    fill_zero(p, kKeys);
    fill_zero(ds, kKeys);
    const float lse = a.lse[query * a.row_step + head];
    if (here.size() <= 0 || lse == -__builtin_inff()) return fill_zero(s, kKeys);
    alignas(64) float keep[kKeys];
    this->fill(head, query, block, keep);
    float* dbias = g.dbias ? g.dbias + head * a.bias_head + query * a.bias_row + block : nullptr;
    for_lanes(here.size(), [&](int64_t i, int n) {
      const int64_t j = here.begin + i;
      const F32 e = exp2((load(s + j, n) - F32::set1(lse)) * F32::set1(kLog2E), Precision<T>{});
      const F32 kept = a.dropout ? load(keep + j, n) : one();
      store(p + j, e * kept, n);
      const F32 d = e * (load(dw + j, n) * kept - F32::set1(share));
      if (dbias) store(dbias + j, load(dbias + j, n) + d, n);
      store(s + j, d * F32::set1(a.scale), n);
      store(ds + j, d * F32::set1(a.scale), n);
    });
    fill_zero(s, here.begin);
    fill_zero(s + here.end, kKeys - here.end);
  }

  // to [n, kQueries] = the transpose of from [rows, n], zero up to `steps` rows.
  void turn(const float* from, int64_t rows, int64_t steps, int64_t n, Inner* to) const {
    const int64_t ld = from == scores ? this->columns : kKeys;
    for (int64_t j = 0; j < n; j += F32::kLanes) {
      for (int64_t r = 0; r < steps; r += F32::kLanes) {
        F32 lanes[F32::kLanes];
        for (int64_t i = 0; i < F32::kLanes; ++i) {
          lanes[i] = r + i < rows ? load(from + (r + i) * ld + j) : F32::zero();
        }
        transpose(lanes);
        for (int64_t i = 0; i < F32::kLanes && j + i < n; ++i) store(to + (j + i) * kQueries + r, lanes[i]);
      }
    }
  }
};

template <class T>
static void flash(const FlashArgs<T>& a) noexcept {
  FlashForward<T>(a).run();
}

template <class T>
static void flash_grad(const FlashGradArgs<T>& a) noexcept {
  FlashBackward<T>(a).run();
}

// Of the backward pass, which needs more.
template <class T>
static int64_t flash_workspace(int64_t head_dim, int64_t keys) noexcept {
  FlashGradArgs<T> a{};
  a.forward.head_dim = head_dim;
  a.forward.keys = keys;
  FlashForward<T> forward(a.forward);
  FlashBackward<T> backward(a);
  return larger(forward.memory - (char*)a.forward.workspace, backward.memory - (char*)a.forward.workspace);
}
