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

inline fastplm::PoolKind pool_kind(const std::string& name) {
  using fastplm::PoolKind;
  static constexpr Named<PoolKind> kKnown[] = {{"mean", PoolKind::kMean},
                                               {"cls", PoolKind::kCls},
                                               {"max", PoolKind::kMax},
                                               {"mean_sqrt_len_tokens", PoolKind::kMeanSqrtLength},
                                               {"lasttoken", PoolKind::kLast}};
  return choose("pooling", name, kKnown);
}

inline fastplm::NormKind norm_kind(const std::string& name) {
  using fastplm::NormKind;
  static constexpr Named<NormKind> kKnown[] = {{"layer", NormKind::kLayer}, {"rms", NormKind::kRms}};
  return choose("kind", name, kKnown);
}

inline fastplm::Act act(const std::string& name) {
  using fastplm::Act;
  static constexpr Named<Act> kKnown[] = {{"none", Act::kNone},       {"relu", Act::kRelu},
                                          {"gelu", Act::kGeluErf},    {"gelu_tanh", Act::kGeluTanh},
                                          {"silu", Act::kSilu},       {"tanh", Act::kTanh},
                                          {"gelu_10", Act::kGelu10},  {"hardswish", Act::kHardSwish},
                                          {"laplace", Act::kLaplace}, {"leaky_relu", Act::kLeakyRelu},
                                          {"mish", Act::kMish},       {"quick_gelu", Act::kQuickGelu},
                                          {"relu2", Act::kRelu2},     {"relu6", Act::kRelu6},
                                          {"sigmoid", Act::kSigmoid}};
  return choose("act", name, kKnown);
}
