// cuBLASLt, found at run time: the copy that is loaded already (torch's), else the system's.
#pragma once
#include "cuda/table.h"

namespace fastplm::cuda {

// Computes the product if the library is there and takes it, and writes the CUDA runtime's error or 0; else returns
// false. FASTPLM_CUBLAS=0 keeps to fastplm's own kernel, whose rows do not depend on how many there are.
template <class T>
bool product_by_library(CudaStream on, const CudaProductArgs<T>& p, int& error);

const char* library_in_use();   // where it was found, or why there is none

}  // namespace fastplm::cuda
