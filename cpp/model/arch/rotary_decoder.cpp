#include "model/arch/rotary_decoder.h"

#include <algorithm>

#include "core/error.h"

namespace fastplm {

DecoderSizes decoder_sizes(const Value& c, const SizeDefaults& defaults) {
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const auto said = [&](const char* name, int64_t standard) {
    return c.has(name) ? c.i_in(name, 1, kMaxSize) : c.is_null(name) ? 0 : standard;
  };
  int64_t kv_heads = said("num_key_value_heads", defaults.kv_heads), head_dim = said("head_dim", defaults.head_dim);
  if (!kv_heads) kv_heads = heads;
  if (!head_dim) head_dim = head_dim_of(width, heads);
  if (heads % kv_heads) {
    fail(ErrorKind::kFile, "\"num_key_value_heads\" is ", kv_heads, "; expected a divisor of \"num_attention_heads\", ",
         heads);
  }
  return {width, heads, kv_heads, head_dim, c.i_in("num_hidden_layers", 0, kMaxSize)};
}

AttentionSpec causal_attention(const DecoderSizes& sizes, bool qkv_bias, bool out_bias) {
  AttentionSpec attention{sizes.heads, sizes.kv_heads, sizes.head_dim, inverse_sqrt(sizes.head_dim),
                          qkv_bias,    out_bias};
  attention.see.causal = true;
  return attention;
}

MlpSpec gated_mlp(const Value& c, bool bias) {
  return {.width = c.i_in("intermediate_size", 1, kMaxSize),
          .act = act_from(c.s("hidden_act", "silu")),
          .gated = true,
          .bias = bias};
}

NormSpec rms_norm(const Value& c, double eps) { return {NormKind::kRms, c.d("rms_norm_eps", eps), false}; }

StackSpec decoder_stack(const Value& c, const DecoderSizes& sizes, const NormSpec& last) {
  return {.width = sizes.width,
          .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize)},
          .kinds = {},
          .kind_of = one_kind(sizes.layers),
          .weights_of = own_weights(sizes.layers),
          .last = last};
}

Visible window_of(const Value& c, int64_t standard, bool causal) {
  const bool none = c.is_null("sliding_window") || (!standard && !c.has("sliding_window"));
  if (none) fail(ErrorKind::kFile, "\"sliding_window\" is missing; layers with a window need it");
  return {.causal = causal, .window = c.i_in("sliding_window", standard, 1, kMaxSize) - 1};
}

std::vector<int> layer_kinds(const Value& c, int64_t layers, int (*standard)(const Value& c, int64_t layer)) {
  std::vector<int> kinds;
  const Value* types = c.find("layer_types");
  if (!types) {
    for (int64_t n = 0; n < layers; ++n) kinds.push_back(standard(c, n));
    return kinds;
  }
  for (const Value& type : types->array("layer_types")) {
    const std::string& kind = type.string("layer_types");
    if (kind != "full_attention" && kind != "sliding_attention") {
      fail(ErrorKind::kFile, "\"layer_types\" holds \"", kind, "\"; expected full_attention or sliding_attention");
    }
    kinds.push_back(kind == "full_attention" ? kFull : kSliding);
  }
  if (int64_t(kinds.size()) != layers) {
    fail(ErrorKind::kFile, "\"layer_types\" names ", kinds.size(), " layers; \"num_hidden_layers\" is ", layers);
  }
  return kinds;
}

static int window_by_depth(const Value& c, int64_t layer) {
  const bool sliding = c.b("use_sliding_window", false) && !c.is_null("sliding_window");
  return sliding && layer >= c.i_in("max_window_layers", 28, 0, kMaxSize) ? kSliding : kFull;
}

void windows_in_later_layers(const Value& c, StackSpec& stack, AttentionSpec attention, const MlpSpec& mlp,
                             const NormSpec& norm) {
  stack.kinds = {pre_norm(attention, mlp, norm)};
  stack.kind_of = layer_kinds(c, int64_t(stack.kind_of.size()), window_by_depth);
  if (!std::ranges::count(stack.kind_of, kSliding)) return;
  if (!c.b("use_sliding_window", false)) {
    fail(ErrorKind::kFile, "\"layer_types\" names sliding_attention; expected \"use_sliding_window\" with it");
  }
  attention.see = window_of(c, 4096);
  stack.kinds.push_back(pre_norm(attention, mlp, norm));
}

double positive(const Value& c, const char* name, double standard) {
  const double value = c.d(name, standard);
  if (value > 0 && value < 1e30) return value;
  fail(ErrorKind::kFile, "\"", name, "\" is ", value, "; expected a number above 0");
}

using Step = HeadStep;
std::vector<HeadOutput> causal_lm(const Value&) { return {{"logits", {{.kind = Step::kVocab, .name = "lm_head"}}}}; }

std::vector<HeadOutput> sequence_classes(const Value& c) {
  return {
      {"logits", {{Step::kGather}, {.kind = Step::kDense, .name = "score", .width = labels_of(c), .has_bias = false}}}};
}

std::vector<HeadOutput> token_classes(const Value& c) {
  const bool bias = c.b("token_classification_bias", true);
  return {{"logits", {{.kind = Step::kDense, .name = "score", .width = labels_of(c), .has_bias = bias}}}};
}

}  // namespace fastplm
