// Qwen3: Qwen2 with norms of queries and keys in place of their biases.
// Source: transformers/models/qwen3/{configuration,modeling}_qwen3.py; arXiv:2505.09388.
#include <algorithm>

#include "model/arch/rotary_decoder.h"

namespace fastplm {

static int kind_of(const Value& c, int64_t layer) {
  const bool sliding = c.b("use_sliding_window", false) && !c.is_null("sliding_window");
  return sliding && layer >= c.i_in("max_window_layers", 28, 0, kMaxSize) ? kSliding : kFull;
}

static Spec qwen3(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c, {.kv_heads = 32, .head_dim = 128});
  const NormSpec norm = rms_norm(c);
  const bool bias = c.b("attention_bias", false);
  AttentionSpec attention = causal_attention(sizes, bias, bias);
  attention.score = rope_of(c, {.head_dim = sizes.head_dim, .positions = 32768});
  attention.qk_norm = QkNorm{norm.eps};
  const MlpSpec mlp = gated_mlp(c, false);
  StackSpec stack = decoder_stack(c, sizes, norm);
  stack.kinds = {pre_norm(attention, mlp, norm)};
  stack.kind_of = layer_kinds(c, sizes.layers, kind_of);
  if (std::ranges::count(stack.kind_of, kSliding)) {
    if (!c.b("use_sliding_window", false)) {
      fail(ErrorKind::kFile, "\"layer_types\" names sliding_attention; expected \"use_sliding_window\" with it");
    }
    attention.see = window_of(c, 4096);
    stack.kinds.push_back(pre_norm(attention, mlp, norm));
  }
  return {.encoder = {}, .decoder = stack};
}

static constexpr ModelClass kClasses[] = {
    {"Qwen3Model", {kDecoderCall, "use_cache"}},
    {"Qwen3ForCausalLM", {kDecoderCall, kCausalCall}, causal_lm},
    {"Qwen3ForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
    {"Qwen3ForTokenClassification", {kDecoderCall, kWithLabels}, token_classes},
    {"Qwen3ForQuestionAnswering", {kDecoderCall, kSpans}, span_head, Pick::kNone, Stacks::kAll, "transformer."},
};

extern const Arch kQwen3;
const Arch kQwen3{
    .model_type = "qwen3",
    .prefix = "model.",
    .spec = qwen3,
    .encoder = {},
    .decoder = kDecoderRows,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
        "intermediate_size hidden_act rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
        "rope_theta tie_word_embeddings initializer_range attention_bias use_sliding_window sliding_window "
        "max_window_layers layer_types num_labels token_classification_bias",
    .tie = Tie::kIfSaid,
    .manners = {.keeps_cache_back = true, .span_loss_by_count = true}};

}  // namespace fastplm
