// The words that Python uses for the library's choices.
#pragma once
#include <string>

#include "core/error.h"
#include "kernels/args.h"

// The choice called `name`. Throws kValue naming the argument and the known words.
template <class Choice>
struct Named {
  const char* name;
  Choice choice;
};

template <class Choice, size_t kCount>
Choice choose(const char* argument, const std::string& name, const Named<Choice> (&known)[kCount]) {
  std::string words;
  for (const auto& row : known) {
    if (name == row.name) return row.choice;
    words += std::string(" ") + row.name;
  }
  fastplm::fail(fastplm::ErrorKind::kValue, argument, " is \"", name, "\"; expected one of:", words);
}

// The name of a choice that stands among the known ones.
template <class Choice, size_t kCount>
const char* name_in(const Named<Choice> (&known)[kCount], Choice choice) {
  for (const auto& row : known) {
    if (choice == row.choice) return row.name;
  }
  fastplm::fail(fastplm::ErrorKind::kInternal, "a choice without a name");
}

inline fastplm::PoolKind pool_kind(const std::string& name) {
  using fastplm::PoolKind;
  static constexpr Named<PoolKind> kKnown[] = {{"mean", PoolKind::kMean},
                                               {"cls", PoolKind::kCls},
                                               {"max", PoolKind::kMax},
                                               {"mean_sqrt_len_tokens", PoolKind::kMeanSqrtLength},
                                               {"lasttoken", PoolKind::kLast}};
  return choose("pooling", name, kKnown);
}

inline constexpr Named<fastplm::Format> kFormatNames[] = {{"float32", fastplm::Format::kF32},
                                                          {"bfloat16", fastplm::Format::kBF16},
                                                          {"int8", fastplm::Format::kInt8},
                                                          {"int4", fastplm::Format::kInt4},
                                                          {"int4_g64", fastplm::Format::kInt4Of64},
                                                          {"int4_g128", fastplm::Format::kInt4Of128},
                                                          {"int4_zeros", fastplm::Format::kInt4Zeros},
                                                          {"int4_zeros_g64", fastplm::Format::kInt4ZerosOf64},
                                                          {"int4_zeros_g128", fastplm::Format::kInt4ZerosOf128}};
inline fastplm::Format weight_format(const char* argument, const std::string& name) {
  return choose(argument, name, kFormatNames);
}
inline const char* name_of(fastplm::Format format) { return name_in(kFormatNames, format); }

inline constexpr Named<fastplm::NormKind> kNormNames[] = {{"layer", fastplm::NormKind::kLayer},
                                                          {"rms", fastplm::NormKind::kRms}};
inline fastplm::NormKind norm_kind(const std::string& name) { return choose("kind", name, kNormNames); }
inline const char* name_of(fastplm::NormKind kind) { return name_in(kNormNames, kind); }

inline constexpr Named<fastplm::Act> kActNames[] = {
    {"none", fastplm::Act::kNone},       {"relu", fastplm::Act::kRelu},
    {"gelu", fastplm::Act::kGeluErf},    {"gelu_tanh", fastplm::Act::kGeluTanh},
    {"silu", fastplm::Act::kSilu},       {"tanh", fastplm::Act::kTanh},
    {"gelu_10", fastplm::Act::kGelu10},  {"hardswish", fastplm::Act::kHardSwish},
    {"laplace", fastplm::Act::kLaplace}, {"leaky_relu", fastplm::Act::kLeakyRelu},
    {"mish", fastplm::Act::kMish},       {"quick_gelu", fastplm::Act::kQuickGelu},
    {"relu2", fastplm::Act::kRelu2},     {"relu6", fastplm::Act::kRelu6},
    {"sigmoid", fastplm::Act::kSigmoid}};
inline fastplm::Act act(const std::string& name) { return choose("act", name, kActNames); }
inline const char* name_of(fastplm::Act act) { return name_in(kActNames, act); }
