// Sums of rows of tables, and what their gradient adds to a table. Contract: ops/train/embed_norm.h.

template <class T>
static void gather(const GatherArgs<T>& a, Range rows) noexcept {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const T* of[kEmbedTables];
    for (int t = 0; t < kEmbedTables; ++t) {
      of[t] = a.tables[t] ? a.tables[t] + (a.ids[t] ? a.ids[t][r] : 0) * a.dim : nullptr;
    }
    for_lanes(a.dim, [&](int64_t i, int n) {
      F32 total = load(of[0] + i, n);
      for (int t = 1; t < kEmbedTables; ++t) {
        if (of[t]) total = total + load(of[t] + i, n);
      }
      store(a.sum + r * a.dim + i, total, n);
    });
  }
}

// table [.., dim] += grad [rows, dim] at the rows' ids (all 0 if ids is null), in these columns, row after row.
template <class T>
static void scatter(const T* grad, const int64_t* ids, int64_t rows, int64_t dim, Range columns,
                    float* table) noexcept {
  for (int64_t r = 0; r < rows; ++r) {
    const T* from = grad + r * dim + columns.begin;
    float* to = table + (ids ? ids[r] : 0) * dim + columns.begin;
    for_lanes(columns.size(), [&](int64_t i, int n) { store(to + i, load(to + i, n) + load(from + i, n), n); });
  }
}
