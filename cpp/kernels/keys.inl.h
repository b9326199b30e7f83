// Keys and values in the panels that attention multiplies with. Contract: ops/keys.h.
//
// Of each page: keys [rows / panel][head_dim / step][panel][step], values [head_dim / panel][rows / step][panel][step].

template <class T>
static int64_t key_columns(int64_t head_dim) noexcept {
  return round_up(head_dim, Tiles<T>::kStep);
}

template <class T>
static int64_t value_columns(int64_t head_dim) noexcept {
  return round_up(head_dim, Tiles<T>::kPanel);
}

// One row of n values into column `at` of a panel.
template <class T>
static void put_column(const T* row, int64_t n, T* panel, int64_t at) {
  constexpr int64_t kStep = Step<T>::kSize, kPanel = Tiles<T>::kPanel;
  for (int64_t i = 0; i < n; ++i) panel[i / kStep * kPanel * kStep + at * kStep + i % kStep] = row[i];
}

// Rows [0, count) of k as the keys at, at + 1, ... of one page.
template <class T>
static void write_page_keys(const T* k, int64_t ld, int64_t count, int64_t at, int64_t head_dim, T* page) {
  constexpr int64_t kPanel = Tiles<T>::kPanel;
  for (int64_t r = 0; r < count;) {
    const int64_t column = (at + r) % kPanel, n = smaller(kPanel - column, count - r);
    T* panel = page + (at + r - column) * key_columns<T>(head_dim);
    if (column == 0) {
      pack_panel(k + r * ld, ld, 1, n, head_dim, panel);
    } else {
      for (int64_t i = 0; i < n; ++i) put_column(k + (r + i) * ld, head_dim, panel, column + i);
    }
    r += n;
  }
}

template <class T>
static void write_page_values(const T* v, int64_t ld, int64_t count, int64_t at, int64_t head_dim, int64_t rows,
                              T* page) {
  constexpr int64_t kPanel = Tiles<T>::kPanel, kStep = Step<T>::kSize;
  for (int64_t c = 0; c < head_dim; c += kPanel, page += rows * kPanel) {
    const int64_t n = smaller(kPanel, head_dim - c);
    int64_t r = 0;
    for (; (at + r) % kStep && r < count; ++r) {  // the second half of a step
      T* line = page + (at + r) / kStep * kStep * kPanel + (at + r) % kStep;
      for (int64_t i = 0; i < n; ++i) line[i * kStep] = v[r * ld + c + i];
    }
    pack_columns(v + r * ld + c, ld, n, count - r, page + (at + r) * kPanel);
  }
}

template <class T>
static void write_keys(const WriteKeysArgs<T>& a) noexcept {
  constexpr int64_t kPanel = Tiles<T>::kPanel;
  const KeyPages<T>& to = a.to;
  for (int64_t r = 0; r < a.count;) {
    const int64_t at = (a.at + r) % to.rows, n = smaller(to.rows - at, a.count - r);
    T* page = to.pages[(a.at + r) / to.rows];
    T* values = page + to.values_at;
    write_page_keys(a.k + r * a.ld, a.ld, n, at, to.head_dim, page + to.keys_at);
    if (a.last) {  // up to the next step of the tile, and the columns behind the head
      const int64_t end = at + n, stop = round_up(end, Tiles<T>::kStep);
      for (int64_t c = 0; c < to.head_dim; c += kPanel) {
        T* panel = values + c * to.rows;
        if (c + kPanel > to.head_dim) fill_zero(panel, stop * kPanel);
        const int64_t from = end / Step<T>::kSize * Step<T>::kSize;
        fill_zero(panel + from * kPanel, (stop - from) * kPanel);
      }
    }
    write_page_values(a.v + r * a.ld, a.ld, n, at, to.head_dim, to.rows, values);
    r += n;
  }
}
