// Balancing the input channels of a matrix before it is rounded to integers: columns are multiplied by powers of two
// that bring their largest values together, and what comes in is divided by the same, in the norm or the matrix before.
// Powers of two change no bit of what a model computes in floats. Where nothing before a matrix can take them exactly,
// its channels stay as they are.
// After "Data-Free Quantization Through Weight Equalization and Bias Correction" (arXiv:1906.04721).
#pragma once
#include <span>
#include <vector>

#include "model/loader.h"

namespace fastplm {

// Of exponents. Columns that differ less are left alone: weights in four bits lose by evening out what is meant to be
// uneven (a perplexity of 1.13 instead of 1.08 times that of floats, for a Llama of 64 channels). With the largest, an
// f16 scale of weights near 1 stays a normal number.
constexpr int kLeastBalance = 3, kMostBalance = 12;

// The exponents of the columns whose largest magnitudes are `sizes`: those far from the median are brought to it.
// Empty: all zero.
std::vector<int8_t> balance_of(std::vector<float> sizes);

// What a norm gives, divided by `factors` [width], or unchanged if they are empty.
void divide(const NormWeights& norm, std::span<const float> factors);
void multiply(TensorView vector, std::span<const float> factors);  // f32, in place

// Factors of n rows that make what a matrix's columns take: row `from` + (h, d) is divided by the factor of the columns
// (h share + s, d), the same for all s; the other rows stay. Empty if `columns` is.
std::vector<float> rows_against(std::span<const float> columns, int64_t n, int64_t from, int64_t share,
                                int64_t head_dim);

}  // namespace fastplm
