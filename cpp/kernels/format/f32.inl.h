// Weights in f32.
template <>
struct FloatFormat<float> : PlainFormat<float> {
  static constexpr int64_t kStep = 1;
  using Lanes = F32;
  FASTPLM_INLINE F32 load_panel(const float* p) { return load(p); }
  FASTPLM_INLINE F32 broadcast(const float* p) { return F32::set1(*p); }
  FASTPLM_INLINE F32 multiply_add(F32 a, F32 b, F32 c) { return fma(a, b, c); }
};
