#include "model/balance.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace fastplm {

std::vector<int8_t> balance_of(std::vector<float> sizes) {
  const auto usable = [](float size) { return size > 0.0f && std::isfinite(size); };
  std::vector<float> sorted;
  std::ranges::copy_if(sizes, std::back_inserter(sorted), usable);
  if (sorted.empty()) return {};
  const auto middle = sorted.begin() + std::ssize(sorted) / 2;
  std::ranges::nth_element(sorted, middle);
  std::vector<int8_t> exponents;
  for (float size : sizes) {
    const long exponent = usable(size) ? std::lround(std::log2(double(*middle) / double(size))) : 0;
    const bool odd = std::abs(exponent) >= kLeastBalance;
    exponents.push_back(int8_t(odd ? std::clamp(exponent, -long{kMostBalance}, long{kMostBalance}) : 0));
  }
  if (std::ranges::all_of(exponents, [](int8_t e) { return e == 0; })) return {};
  return exponents;
}

void multiply(TensorView vector, std::span<const float> factors) {
  for (size_t i = 0; vector && i < factors.size(); ++i) vector.as<float>()[i] *= factors[i];
}

void divide(const NormWeights& norm, std::span<const float> factors) {
  std::vector<float> inverse;
  for (float factor : factors) inverse.push_back(1.0f / factor);
  multiply(norm.weight, inverse);
  multiply(norm.bias, inverse);
}

std::vector<float> rows_against(std::span<const float> columns, int64_t n, int64_t from, int64_t share,
                                int64_t head_dim) {
  if (columns.empty()) return {};
  std::vector<float> rows(size_t(n), 1.0f);
  for (int64_t i = 0; i < int64_t(columns.size()) / share; ++i)
    rows[size_t(from + i)] = 1.0f / columns[size_t(i / head_dim * share * head_dim + i % head_dim)];
  return rows;
}

}  // namespace fastplm
