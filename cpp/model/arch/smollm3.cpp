// SmolLM3: Llama whose every fourth layer has no positions.
// Source: transformers/models/smollm3/{configuration,modeling}_smollm3.py.
#include <algorithm>

#include "model/arch/rotary_decoder.h"

namespace fastplm {

static bool turns(const Value& c, int64_t layer) {   // with rotary positions?
  const Value* said = c.find("no_rope_layers");
  if (!said) return (layer + 1) % c.i_in("no_rope_layer_interval", 4, 1, kMaxSize) != 0;
  const Value::Array& list = said->array("no_rope_layers");
  if (layer >= int64_t(list.size())) {
    fail(ErrorKind::kFile, "\"no_rope_layers\" names ", list.size(), " layers; expected one for each");
  }
  return list[size_t(layer)].integer("no_rope_layers") != 0;
}

static int kind_of(const Value& c, int64_t layer) {
  return c.b("use_sliding_window", false) && c.has("sliding_window") && !turns(c, layer) ? kSliding : kFull;
}

static Spec smollm3(const Value& c) {
  const DecoderSizes sizes = decoder_sizes(c, {.kv_heads = 4});
  const NormSpec norm = rms_norm(c);
  const bool bias = c.b("attention_bias", false);
  const MlpSpec mlp = gated_mlp(c, c.b("mlp_bias", false));
  AttentionSpec attention = causal_attention(sizes, bias, bias);
  StackSpec stack = decoder_stack(c, sizes, norm);
  stack.kind_of = layer_kinds(c, sizes.layers, kind_of);
  for (int kind : {kFull, kSliding}) {   // without positions, then with them
    if (kind == kSliding && !std::ranges::count(stack.kind_of, kSliding)) break;
    if (kind == kSliding) attention.see = window_of(c, 0);
    attention.score = {};
    stack.kinds.push_back(pre_norm(attention, mlp, norm));
    attention.score = rope_of(c, {.head_dim = sizes.head_dim, .positions = 32768, .theta = 2000000.0});
    stack.kinds.push_back(pre_norm(attention, mlp, norm));
  }
  for (int64_t n = 0; n < sizes.layers; ++n) {
    int& kind = stack.kind_of[size_t(n)];
    kind = 2 * kind + turns(c, n);
  }
  return {.encoder = {}, .decoder = stack};
}

static constexpr ModelClass kClasses[] = {
    {"SmolLM3Model", {kDecoderCall, "use_cache"}},
    {"SmolLM3ForCausalLM", {kDecoderCall, kCausalCall}, causal_lm},
    {"SmolLM3ForSequenceClassification", {kDecoderCall, kWithLabels}, sequence_classes, Pick::kLastToken},
    {"SmolLM3ForTokenClassification", {kDecoderCall, kWithLabels}, token_classes},
    {"SmolLM3ForQuestionAnswering", {kDecoderCall, kSpans}, span_head, Pick::kNone, Stacks::kAll, "transformer."},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 128004}, {"bos_token_id", 128000}, {"eos_token_id", 128001}};

extern const Arch kSmolLm3;
const Arch kSmolLm3{
    .model_type = "smollm3",
    .prefix = "model.",
    .spec = smollm3,
    .encoder = {},
    .decoder = kDecoderRows,
    .classes = kClasses,
    .keys =
        "vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim "
        "intermediate_size hidden_act rms_norm_eps max_position_embeddings rope_parameters rope_scaling "
        "rope_theta tie_word_embeddings initializer_range attention_bias mlp_bias no_rope_layers "
        "no_rope_layer_interval use_sliding_window sliding_window layer_types num_labels "
        "token_classification_bias",
    .defaults = kDefaults,
    .manners = {.keeps_cache_back = true, .span_loss_by_count = true}};

}  // namespace fastplm
