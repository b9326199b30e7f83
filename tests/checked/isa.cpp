// The part of cpp/kernels/isa.cpp that text uses, compiled once per ISA as that file is.
#include FASTPLM_SIMD
#include "kernels/kernels.h"

namespace fastplm::FASTPLM_ISA {
namespace {

#include "kernels/ascii.inl.h"
#include "kernels/words.inl.h"

}  // namespace

#define FASTPLM_TEXT_OF(x) #x
#define FASTPLM_TEXT(x) FASTPLM_TEXT_OF(x)
extern const Kernels kTable;
constinit const Kernels kTable{.name = FASTPLM_TEXT(FASTPLM_ISA), .ascii = ascii, .find_words = find_words};

}  // namespace fastplm::FASTPLM_ISA
