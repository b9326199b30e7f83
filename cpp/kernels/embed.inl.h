// Sum of embedding rows. Contract: ops/embed.h.
template <class T>
static void embed(const EmbedArgs<T>& a, Range rows) noexcept {
  const F32 scale = F32::set1(a.scale);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const T* token = a.ids ? a.tokens + int64_t(a.ids[r]) * a.dim : nullptr;
    const float* segment = a.segments ? a.segments + (a.segment_ids ? int64_t(a.segment_ids[r]) : 0) * a.dim : nullptr;
    const float* position = a.positions ? a.positions + int64_t(a.position_ids[r]) * a.dim : nullptr;
    for_lanes(a.dim, [&](int64_t i, int n) {
      F32 y = (token ? load(token + i, n) : load(a.x + r * a.dim + i, n)) * scale;
      if (segment) y = y + load(segment + i, n);
      if (position) y = y + load(position + i, n);
      store(a.y + r * a.dim + i, y, n);
    });
  }
}
