// Gated activation of the two halves of a row. Contract: ops/glu.h.
template <class T>
static void glu(const GluArgs<T>& a, Range rows) noexcept {
  with_act(a.act, Precision<T>{}, [&](auto act) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      const T *gate = a.x + r * 2 * a.dim, *up = gate + a.dim;
      for_lanes(a.dim,
                [&](int64_t i, int n) { store(a.y + r * a.dim + i, act(load(gate + i, n)) * load(up + i, n), n); });
    }
  });
}
