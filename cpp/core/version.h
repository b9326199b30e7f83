#pragma once
#include "core/error.h"

namespace fastplm {
FASTPLM_EXPORT const char* version();   // of pyproject.toml
}
