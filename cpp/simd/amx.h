// AVX-512 with a matrix unit for bf16 and int8: AMX (Sapphire Rapids and newer).
// Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18.
#pragma once
#define FASTPLM_MATRIX_TILES
#include "simd/avx512_bf16.h"
#include "simd/fetch.h"

namespace fastplm::FASTPLM_ISA {

// TDPBF16PS and TDPBUSD: the unit's names are macros of tile numbers.
#define FASTPLM_PRODUCT(c, a, b)  \
  if constexpr (sizeof(Row) == 2) \
    _tile_dpbf16ps(c, a, b);      \
  else                            \
    _tile_dpbusd(c, a, b)

// c[rows <= 32, 32] in four 16 x 16 tiles: 0 1 / 2 3 hold c, 4 5 rows of a, 6 7 columns of the panel.
// The panel's order, [k / 2][32][2] of bf16 and [k / 4][32][4] of int8, is the unit's own, with 128 bytes from one lane
// of k to the next.
template <class Row, class Weight, class Sum>
struct MatrixTiles {
  static_assert(sizeof(Row) == sizeof(Weight) && sizeof(Sum) == 4);
  static constexpr int64_t kRows = 32, kPanel = 32;
  static constexpr int64_t kStep = 64 / sizeof(Row);   // one tile row

  // Where a panel is too long to stay in the cache: measured on Sapphire Rapids, k = 384 to 3072.
  FASTPLM_INLINE int64_t depth(int64_t k) { return k <= 64 * kStep ? k : 8 * kStep; }

  struct Config {   // the operand of ldtilecfg
    uint8_t palette = 1, start_row = 0, reserved[14] = {};
    uint16_t row_bytes[16] = {};
    uint8_t rows[16] = {};
  };

  // Owns the thread's tile state.
  struct Scope {
    int64_t configured = 0;
    ~Scope() { _tile_release(); }
  };

  FASTPLM_INLINE void configure(Scope& scope, int64_t rows) {
    if (scope.configured == rows) return;
    scope.configured = rows;
    const uint8_t upper = uint8_t(rows < 16 ? rows : 16), lower = uint8_t(rows > 16 ? rows - 16 : 1);
    Config config;
    for (int tile = 0; tile < 8; ++tile) {
      config.row_bytes[tile] = 64;
      config.rows[tile] = tile >= 6 ? 16 : tile == 2 || tile == 3 || tile == 5 ? lower : upper;
    }
    _tile_loadconfig(&config);
  }

  // Rows of a as a matrix has them. kNarrow: the panel has 16 columns if no more are wanted.
  template <bool kNarrow = false>
  FASTPLM_INLINE void run(Scope& scope, int64_t rows, const Row* a, int64_t lda, int64_t k, const Weight* panel, Sum* c,
                          int64_t ldc, int64_t columns, bool accumulate) {
    if constexpr (kNarrow) {
      if (columns <= 16) return multiply<false, false>(scope, rows, a, lda, kStep, k, panel, c, ldc, accumulate, {});
    }
    multiply<false, true>(scope, rows, a, lda, kStep, k, panel, c, ldc, accumulate, {});
  }

  // A block of rows (gemm.inl.h).
  FASTPLM_INLINE void run_block(Scope& scope, int64_t rows, const Row* a, int64_t k, const Weight* panel, Sum* c,
                                int64_t ldc, bool accumulate, Fetch fetch) {
    multiply<true, true>(scope, rows, a, kStep, kRows * kStep, k, panel, c, ldc, accumulate, fetch);
  }

 private:
  // kWide: two tiles of columns, else one.
  template <bool kBlock, bool kWide>
  FASTPLM_INLINE void multiply(Scope& scope, int64_t rows, const Row* a, int64_t lda, int64_t a_step, int64_t k,
                               const Weight* panel, Sum* c, int64_t ldc, bool accumulate, Fetch fetch) {
    constexpr int64_t kColumns = kWide ? kPanel : kPanel / 2, kPanelRow = 4 * kColumns;
    configure(scope, rows);
    asm volatile("" ::: "memory");   // gcc's tile loads and stores do not say that they touch memory
    const int64_t a_stride = lda * int64_t(sizeof(Row)), c_stride = ldc * int64_t(sizeof(Sum));
    const Row* a_low = a + 16 * lda;
    Sum* c_low = c + 16 * ldc;
    const bool two = rows > 16;
    if (accumulate) {
      _tile_loadd(0, c, c_stride);
      if constexpr (kWide) _tile_loadd(1, c + 16, c_stride);
      if (two) {
        _tile_loadd(2, c_low, c_stride);
        if constexpr (kWide) _tile_loadd(3, c_low + 16, c_stride);
      }
    } else {
      _tile_zero(0);
      _tile_zero(1);
      _tile_zero(2);
      _tile_zero(3);
    }
    if (two) {
      for (int64_t i = 0; i < k; i += kStep, panel += kStep * kColumns, a += a_step, a_low += a_step) {
        fetch.prefetch_next();
        _tile_loadd(4, a, a_stride);   // all loads first: 10 % faster than in between, on Sapphire Rapids
        _tile_loadd(5, a_low, a_stride);
        _tile_loadd(6, panel, kPanelRow);
        if constexpr (kWide) _tile_loadd(7, panel + kStep, kPanelRow);
        if constexpr (kBlock) {   // the step after next, of this block or of the one behind it
          constexpr int64_t kAhead = 2 * kRows * kStep;
#pragma GCC unroll 32
          for (int64_t r = 0; r < kRows; ++r) __builtin_prefetch(a + kAhead + r * kStep);
        }
        FASTPLM_PRODUCT(0, 4, 6);
        if constexpr (kWide) {
          FASTPLM_PRODUCT(1, 4, 7);
        }
        FASTPLM_PRODUCT(2, 5, 6);
        if constexpr (kWide) {
          FASTPLM_PRODUCT(3, 5, 7);
        }
      }
      _tile_stored(2, c_low, c_stride);
      if constexpr (kWide) _tile_stored(3, c_low + 16, c_stride);
    } else {
      for (int64_t i = 0; i < k; i += kStep, panel += kStep * kColumns, a += a_step) {
        fetch.prefetch_next();
        _tile_loadd(4, a, a_stride);
        _tile_loadd(6, panel, kPanelRow);
        FASTPLM_PRODUCT(0, 4, 6);
        if constexpr (kWide) {
          _tile_loadd(7, panel + kStep, kPanelRow);
          FASTPLM_PRODUCT(1, 4, 7);
        }
      }
    }
    _tile_stored(0, c, c_stride);
    if constexpr (kWide) _tile_stored(1, c + 16, c_stride);
    asm volatile("" ::: "memory");
  }
};
#undef FASTPLM_PRODUCT

}  // namespace fastplm::FASTPLM_ISA
