// Sum of embedding rows. Contract: ops/embed.h.

// Values i to i + n - 1 of row r of a packed table [vocab, dim].
template <class T>
FASTPLM_INLINE F32 load_packed(const T* panels, int64_t r, int64_t dim, int64_t i, int n) {
  constexpr int64_t kPanel = FloatTiles<T>::kPanel, kStep = FloatFormat<T>::kStep;
  const T* row = panels + r / kPanel * kPanel * round_up(dim, FloatTiles<T>::kStep) + r % kPanel * kStep;
  T values[F32::kLanes];
  for (int j = 0; j < n; ++j) values[j] = row[(i + j) / kStep * kPanel * kStep + (i + j) % kStep];
  return load(values, n);
}

template <class T>
static void embed(const EmbedArgs<T>& a, Range rows) noexcept {
  const F32 scale = F32::set1(a.scale), x_scale = F32::set1(a.x_scale);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t id = a.ids ? a.ids[r] : 0;
    const float* segment = a.segments ? a.segments + (a.segment_ids ? int64_t(a.segment_ids[r]) : 0) * a.dim : nullptr;
    const float* position = a.positions ? a.positions + int64_t(a.position_ids[r]) * a.dim : nullptr;
    for_lanes(a.dim, [&](int64_t i, int n) {
      F32 y = !a.ids     ? load(a.x + r * a.dim + i, n) * x_scale
              : a.tokens ? load(a.tokens + id * a.dim + i, n) * scale
                         : load_packed(a.panels, id, a.dim, i, n) * scale;
      if (segment) y = y + load(segment + i, n);
      if (position) y = y + load(position + i, n);
      store(a.y + r * a.dim + i, y, n);
    });
  }
}
