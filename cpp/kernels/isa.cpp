// One CPU kernel table. CMake compiles this file once per ISA with that ISA's flags, FASTPLM_ISA=<namespace>
// and FASTPLM_SIMD="simd/<isa>.h". It may include nothing from std: a template of std compiled here could be
// the copy that the linker keeps for everybody, and older machines would stop at an unknown instruction.
#include FASTPLM_SIMD
#include "kernels/train.h"
#include "simd/fetch.h"

namespace fastplm::FASTPLM_ISA {
namespace {

#include "kernels/lanes.inl.h"

#include "kernels/math.inl.h"

#include "kernels/tile.inl.h"

#include "kernels/pack.inl.h"

#include "kernels/format/f32.inl.h"

#include "kernels/format/bf16.inl.h"

#include "kernels/format/int8.inl.h"

#include "kernels/format/int4.inl.h"

#include "kernels/keys.inl.h"

#include "kernels/random.inl.h"

#include "kernels/act_grad.inl.h"

#include "kernels/product.inl.h"

#include "kernels/loss.inl.h"

// Each of the above builds on the one before it; the order of those below does not matter.
#include "kernels/adafactor.inl.h"
#include "kernels/adamw.inl.h"
#include "kernels/add_norm.inl.h"
#include "kernels/ascii.inl.h"
#include "kernels/attention.inl.h"
#include "kernels/embed.inl.h"
#include "kernels/flash.inl.h"
#include "kernels/gather.inl.h"
#include "kernels/gemm.inl.h"
#include "kernels/glu.inl.h"
#include "kernels/head_norm.inl.h"
#include "kernels/norm.inl.h"
#include "kernels/pool.inl.h"
#include "kernels/rope.inl.h"
#include "kernels/rotary.inl.h"
#include "kernels/softmax.inl.h"
#include "kernels/words.inl.h"

template <class T>
constexpr FloatKernels<T> float_kernels() {
  return {
      .key_panel = FloatTiles<T>::kPanel,
      .norm = norm<T>,
      .head_norm = head_norm<T>,
      .embed = embed<T>,
      .glu = glu<T>,
      .rope = rope<T>,
      .write_keys = write_keys<T>,
      .clear_values = clear_values<T>,
      .rows_to_codes = rows_to_codes<T>,
      .codes_to_rows = codes_to_rows<T>,
      .value_columns = value_columns<T>,
      .key_columns = key_columns<T>,
      .attention = attention<T>,
      .attention_workspace = attention_workspace<T>,
      .from_f32 = convert<float, T>,
      .from_f16 = convert<f16, T>,
      .from_bf16 = convert<bf16, T>,
  };
}

template <class F>
constexpr FormatKernels format_kernels() {
  return {
      .activation = sizeof(typename F::Activation) == sizeof(float) ? DType::kF32 : DType::kBF16,
      .panel = Tiles<F>::kPanel,
      .block_rows = Tiles<F>::kRows,
      .row_value = sizeof(typename F::Row),
      .max_k = F::kMaxK,
      .codes = F::kCodes,
      .panel_bytes = F::panel_bytes,
      .pack_f32 = F::template pack<float>,
      .pack_f16 = F::template pack<f16>,
      .pack_bf16 = F::template pack<bf16>,
      .pack_codes = F::pack_codes,
      .unpack_codes = F::unpack_codes,
      .gemm_rows = gemm_rows<F>,
      .gemm = gemm<F>,
      .gemm_workspace = Gemm<F>::bytes,
  };
}

template <class T>
constexpr TrainKernels<T> make_train_kernels() {
  return {
      .add_norm = add_norm<T>,
      .add_norm_grad = add_norm_grad<T>,
      .gated = gated<T>,
      .gated_grad = gated_grad<T>,
      .column_sums = column_sums<T>,
      .rotary = rotary<T>,
      .gather = gather<T>,
      .scatter = scatter<T>,
      .cross_entropy = cross_entropy<T>,
      .cross_entropy_grad = cross_entropy_grad<T>,
      .flash = flash<T>,
      .flash_grad = flash_grad<T>,
      .flash_workspace = flash_workspace<T>,
      .adamw = adamw<T, T>,
      .adamw_f32 = adamw<T, float>,
      .sum_squares = sum_squares<T>,
      .adafactor_squares = adafactor_squares<T>,
      .adafactor_columns = adafactor_columns<T>,
      .adafactor_norm = adafactor_norm<T>,
      .adafactor = adafactor<T>,
      .product_block = Product<T>::kRows,
      .product_panel = Product<T>::kPanel,
      .product_pack = product_pack<T>,
      .product_rows = product_rows<T>,
      .product = product<T>,
      .product_panels = Product<T>::panel_bytes,
      .product_workspace = Product<T>::bytes,
  };
}

constexpr Train kTrain{.f32 = make_train_kernels<float>(), .bf = make_train_kernels<bf16>()};

}  // namespace

#define FASTPLM_TEXT_OF(x) #x
#define FASTPLM_TEXT(x) FASTPLM_TEXT_OF(x)
extern const Kernels kTable;
constinit const Kernels kTable{
    .name = FASTPLM_TEXT(FASTPLM_ISA),
    .f32 = float_kernels<float>(),
    .bf = float_kernels<bf16>(),
    .formats =   // in Format's order
    {format_kernels<FloatFormat<float>>(), format_kernels<FloatFormat<bf16>>(), format_kernels<Int8Format>(),
     format_kernels<Int4Format<32, false>>(), format_kernels<Int4Format<64, false>>(),
     format_kernels<Int4Format<128, false>>(), format_kernels<Int4Format<32, true>>(),
     format_kernels<Int4Format<64, true>>(), format_kernels<Int4Format<128, true>>()},
    .train = &kTrain,
    .pool = pool,
    .softmax = softmax,
    .ascii = ascii,
    .find_words = find_words,
};

}  // namespace fastplm::FASTPLM_ISA
