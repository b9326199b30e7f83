// Adafactor on some rows of one matrix. Contract: ops/train/adafactor.h.

// What a column's mean square is multiplied by in this row.
template <class T>
FASTPLM_INLINE F32 adafactor_row(const AdafactorArgs<T>& a, int64_t row) {
  float factor = 1.0f;
  if (a.row_var) store(&factor, load(a.row_var + row, 1) / F32::set1(a.mean_square), 1);
  return F32::set1(factor);
}

// row_var of these rows; columns [a.columns]: the sums of squares over them.
template <class T>
static void adafactor_squares(const AdafactorArgs<T>& a, Range rows, float* columns) noexcept {
  fill_zero(columns, a.columns);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const T* grad = a.grad + r * a.columns;
    F32 total = F32::zero();
    for_lanes(a.columns, [&](int64_t i, int n) {
      const F32 g = load(grad + i, n), square = g * g;
      store(columns + i, load(columns + i, n) + square, n);
      total = add_first(total, square, n);
    });
    if (!a.row_var) continue;
    const F32 mean = F32::set1(sum(total) / float(a.columns));
    store(a.row_var + r, fma(load(a.row_var + r, 1), F32::set1(a.beta2), mean * F32::set1(a.rest2)), 1);
  }
}

// col_var of a matrix of `rows`, from sums of squares [parts, a.columns]; returns the mean of row_var, or 0.
template <class T>
static float adafactor_columns(const AdafactorArgs<T>& a, const float* sums, int64_t parts, int64_t rows) noexcept {
  const F32 beta2 = F32::set1(a.beta2), share = F32::set1(a.rest2 / float(rows));
  for_lanes(a.columns, [&](int64_t i, int n) {
    F32 total = F32::zero();
    for (int64_t p = 0; p < parts; ++p) total = total + load(sums + p * a.columns + i, n);
    store(a.col_var + i, fma(load(a.col_var + i, n), beta2, total * share), n);
  });
  F32 total = F32::zero();
  if (a.row_var) for_lanes(rows, [&](int64_t r, int n) { total = add_first(total, load(a.row_var + r, n), n); });
  return sum(total) / float(rows);
}

// The sum of the squares of the update before it is clipped.
template <class T>
static double adafactor_norm(const AdafactorArgs<T>& a, Range rows) noexcept {
  const F32 least = F32::set1(a.least);
  double norm = 0;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const F32 row = adafactor_row(a, r);
    F32 total = F32::zero();
    for_lanes(a.columns, [&](int64_t i, int n) {
      const F32 g = load(a.grad + r * a.columns + i, n);
      total = add_first(total, g * g / max(least, load(a.col_var + i, n) * row), n);
    });
    norm += double(sum(total));
  }
  return norm;
}

template <class T>
static void adafactor(const AdafactorArgs<T>& a, Range rows) noexcept {
  const F32 least = F32::set1(a.least), decay = F32::set1(a.decay), step = F32::set1(-a.step_size);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const F32 row = adafactor_row(a, r);
    T* param = a.param + r * a.columns;
    for_lanes(a.columns, [&](int64_t i, int n) {
      const F32 update = load(a.grad + r * a.columns + i, n) / sqrt(max(least, load(a.col_var + i, n) * row));
      store(param + i, fma(step, update, load(param + i, n) * decay), n);
    });
  }
}
