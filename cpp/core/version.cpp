#include "core/version.h"

namespace fastplm {
const char* version() { return FASTPLM_VERSION; }
}  // namespace fastplm
