// Which table this process uses. The choice is made once.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "core/error.h"
#include "kernels/kernels.h"

namespace fastplm {
namespace scalar {
extern const Kernels kTable;
}
#ifdef __x86_64__
namespace avx2 {
extern const Kernels kTable;
}
namespace avx512 {
extern const Kernels kTable;
}
namespace avx512_bf16 {
extern const Kernels kTable;
}
namespace amx {
extern const Kernels kTable;
}
#endif

namespace {

#ifdef __x86_64__
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

bool has_avx512_bf16() {
  return has_avx512() && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni");
}

// VDPBF16PS is slower than two f32 multiply-adds on Intel's cores (65 against 150 GFLOP/s a core on Sapphire
// Rapids, bench/ceiling.py), which have AMX for this.
bool is_fast_bf16() { return __builtin_cpu_is("amd"); }

// Bits of CPUID leaf 7, subleaf 0, edx; Linux hands out the tile state per process on request:
// Documentation/arch/x86/xstate.rst.
bool has_amx() {
  if (!has_avx512_bf16()) return false;
  uint32_t eax = 7, ebx, ecx = 0, edx;
  asm("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  constexpr uint32_t kTile = 1u << 24, kBf16 = 1u << 22, kInt8 = 1u << 25, kAll = kTile | kBf16 | kInt8;
  if ((edx & kAll) != kAll) return false;
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

bool always() { return true; }

struct Isa {
  const Kernels* table;
  bool (*supported)();
  bool (*preferred)();   // false: supported here, but another table is faster; used only when forced
  const char* needs;
};

const Isa kIsas[kIsaCount] = {
// best first
#ifdef __x86_64__
    {&amx::kTable, has_amx, always, "AVX-512 BF16, AMX-BF16 and AMX-INT8, granted by the kernel"},
    {&avx512_bf16::kTable, has_avx512_bf16, is_fast_bf16,
     "AVX-512 F, BW, VL, DQ, VNNI, BF16; passed over on Intel, whose VDPBF16PS is slow"},
    {&avx512::kTable, has_avx512, always, "AVX-512 F, BW, VL, DQ"},
    {&avx2::kTable, has_avx2, always, "AVX2, FMA, F16C"},
#endif
    {&scalar::kTable, always, always, "nothing"},
};

const Isa& select() {
  const char* forced = std::getenv("FASTPLM_ISA");
  std::string known;
  for (const Isa& isa : kIsas) {
    if (!isa.table) continue;
    known += std::string(" ") + isa.table->name;
    if (forced && *forced) {
      if (forced != std::string_view(isa.table->name)) continue;
      if (isa.supported()) return isa;
      fail(ErrorKind::kValue, "FASTPLM_ISA=", forced, ": this CPU does not support it; it needs ", isa.needs);
    } else if (isa.supported() && isa.preferred()) {
      return isa;
    }
  }
  fail(ErrorKind::kValue, "FASTPLM_ISA=", forced, ": there is no such level; known:", known);
}

const Isa& chosen() {
  static const Isa& isa = select();
  return isa;
}

}  // namespace

const Kernels& kernels() { return *chosen().table; }

void isa_infos(IsaInfo (&out)[kIsaCount]) {
  for (int i = 0; i < kIsaCount; ++i) {
    const Isa& isa = kIsas[i];
    out[i] = isa.table ? IsaInfo{isa.table->name, isa.supported(), &isa == &chosen(), isa.needs} : IsaInfo{};
  }
}

}  // namespace fastplm
