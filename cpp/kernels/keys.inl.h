// Keys and values in the panels that attention multiplies with. Contract: ops/keys.h.
//
// Of each page: keys [rows / panel][head_dim / step][panel][step], values [head_dim / panel][rows / step][panel][step].
// The last panel of values is as wide as what is left of the head, in whole vectors.

template <class T>
static int64_t key_columns(int64_t head_dim) noexcept {
  return round_up(head_dim, FloatTiles<T>::kStep);
}

template <class T>
static int64_t value_columns(int64_t head_dim) noexcept {
  return round_up(head_dim, F32::kLanes);
}

// One row of n values into column `at` of a panel.
template <class T>
static void put_column(const T* row, int64_t n, T* panel, int64_t at) {
  constexpr int64_t kStep = FloatFormat<T>::kStep, kPanel = FloatTiles<T>::kPanel;
  for (int64_t i = 0; i < n; ++i) panel[i / kStep * kPanel * kStep + at * kStep + i % kStep] = row[i];
}

// Rows [0, count) of k as the keys at, at + 1, ... of one page.
template <class T>
static void write_page_keys(const T* k, int64_t ld, int64_t count, int64_t at, int64_t head_dim, T* page) {
  constexpr int64_t kPanel = FloatTiles<T>::kPanel;
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

// Calls body(panel, its width, its first column) for each panel of a page's values.
template <class T, class Body>
FASTPLM_INLINE void for_value_panels(T* values, int64_t head_dim, int64_t rows, Body body) {
  const int64_t columns = value_columns<T>(head_dim);
  for (int64_t c = 0; c < columns; c += FloatTiles<T>::kPanel) {
    body(values + c * rows, smaller(FloatTiles<T>::kPanel, columns - c), c);
  }
}

template <class T>
static void write_page_values(const T* v, int64_t ld, int64_t count, int64_t at, int64_t head_dim, int64_t rows,
                              T* page) {
  constexpr int64_t kStep = FloatFormat<T>::kStep;
  for_value_panels(page, head_dim, rows, [&](T* panel, int64_t width, int64_t c) {
    const int64_t n = smaller(width, head_dim - c);
    int64_t r = 0;
    for (; (at + r) % kStep && r < count; ++r) {  // the second half of a step
      T* line = panel + (at + r) / kStep * kStep * width + (at + r) % kStep;
      for (int64_t i = 0; i < n; ++i) line[i * kStep] = v[r * ld + c + i];
    }
    pack_columns(v + r * ld + c, ld, n, count - r, panel + (at + r) * width, width);
  });
}

// Clears the values of some rows of a page.
template <class T>
static void clear_values(T* values, int64_t head_dim, int64_t page_rows, Range rows) noexcept {
  constexpr int64_t kStep = FloatFormat<T>::kStep;
  for_value_panels(values, head_dim, page_rows, [&](T* panel, int64_t width, int64_t) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      T* line = panel + r / kStep * kStep * width + r % kStep;
      for (int64_t i = 0; i < width; ++i) line[i * kStep] = T{};
    }
  });
}

template <class T>
static void write_keys(const WriteKeysArgs<T>& a) noexcept {
  const KeyPages<T>& to = a.to;
  for (int64_t r = 0; r < a.count;) {
    const int64_t at = (a.at + r) % to.rows, n = smaller(to.rows - at, a.count - r);
    T* page = to.pages[(a.at + r) / to.rows];
    T* values = page + to.values_at;
    write_page_keys(a.k + r * a.ld, a.ld, n, at, to.head_dim, page + to.keys_at);
    if (a.last) {  // up to the next step of the tile, and the columns behind the head
      constexpr int64_t kStep = FloatFormat<T>::kStep;
      const int64_t end = at + n, stop = round_up(end, FloatTiles<T>::kStep);
      const int64_t begin = at / kStep * kStep, from = end / kStep * kStep;
      for_value_panels(values, to.head_dim, to.rows, [&](T* panel, int64_t width, int64_t c) {
        const int64_t first = c + width > to.head_dim ? begin : from;
        fill_zero(panel + first * width, (stop - first) * width);
      });
    }
    write_page_values(a.v + r * a.ld, a.ld, n, at, to.head_dim, to.rows, values);
    r += n;
  }
}

// As activations are rounded for a product with int8 weights: the largest magnitude becomes 127, and a row with a value
// that is not finite is NaN.
template <class T>
static void rows_to_codes(const CodesOfRowsArgs<T>& a) noexcept {
  for (int64_t r = 0; r < a.count; ++r) {
    const T* row = a.x + r * a.ld;
    a.scales[r] = Int8Format::scale_of(row, a.dim);
    for (int64_t i = 0; i < a.dim; i += 64)
      Int8Format::quantise(row + i, a.codes + r * a.dim + i, smaller(64, a.dim - i), a.scales[r], 0);
  }
}

template <class T>
static void codes_to_rows(const CodesOfRowsArgs<T>& a) noexcept {
  float wide[64];
  for (int64_t r = 0; r < a.count; ++r) {
    const F32 scale = F32::set1(a.scales[r]);
    for (int64_t i = 0; i < a.dim; i += 64) {
      const int64_t n = smaller(64, a.dim - i);
      const int8_t* codes = a.codes + r * a.dim + i;
      for (int64_t j = 0; j < n; ++j) wide[j] = float(codes[j]);
      for_lanes(n, [&](int64_t j, int count) { store(a.x + r * a.ld + i + j, load(wide + j, count) * scale, count); });
    }
  }
}
