#include "model/arch/gemma.h"

#include <algorithm>

namespace fastplm {

StackSpec gemma_stack(const Value& c, const DecoderSizes& sizes, const AttentionSpec& full,
                      const AttentionSpec& sliding, std::vector<int> kind_of) {
  const NormSpec norm = rms_norm(c);
  const MlpSpec mlp{.width = c.i_in("intermediate_size", 1, kMaxSize),
                    .act = act_from(c.s("hidden_activation", "gelu_pytorch_tanh")),
                    .gated = true,
                    .bias = false};
  StackSpec stack = decoder_stack(c, sizes, norm);
  stack.embed.scale = std::sqrt(double(sizes.width));
  for (const AttentionSpec& attention : {full, sliding}) {
    stack.kinds.push_back({{{{norm, attention, norm}}, {}}, {{{norm, mlp, norm}}, {}}});
  }
  stack.kind_of = std::move(kind_of);
  return stack;
}

std::vector<HeadOutput> capped_lm(const Value& c, double standard) {
  std::vector<HeadOutput> head = causal_lm(c);
  if (c.is_null("final_logit_softcapping") || (!standard && !c.has("final_logit_softcapping"))) return head;
  const double cap = positive(c, "final_logit_softcapping", standard);   // cap tanh(logits / cap)
  std::vector<HeadStep>& steps = head[0].steps;
  steps[0].act = Act::kTanh;
  steps.insert(steps.begin(), {.kind = HeadStep::kScale, .factor = 1.0 / cap});
  steps.push_back({.kind = HeadStep::kScale, .factor = cap});
  return head;
}

}  // namespace fastplm
