// Weights in bf16, two in a lane; sums in f32.
template <>
struct FloatFormat<bf16> : PlainFormat<bf16> {
  static constexpr int64_t kStep = 2;
  using Lanes = Pair;
  FASTPLM_INLINE Pair load_panel(const bf16* p) { return load_pairs(p); }
  FASTPLM_INLINE Pair broadcast(const bf16* p) { return broadcast_pair(p); }
  FASTPLM_INLINE F32 multiply_add(Pair a, Pair b, F32 c) { return dot(a, b, c); }
};
