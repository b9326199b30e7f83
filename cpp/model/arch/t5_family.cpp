#include "model/arch/t5_family.h"

namespace fastplm {

// feed_forward_proj is "<activation>" or "gated-<activation>"; "gated-gelu" means the tanh form.
static MlpSpec mlp_of(const Value& c, const char* standard) {
  std::string name = c.s("feed_forward_proj", standard);
  const bool gated = name.starts_with("gated-");
  if (gated) name = name == "gated-gelu" ? "gelu_new" : name.substr(6);
  // What files say a second time: transformers lets it win where the two differ.
  if (const std::string said = c.s("dense_act_fn", name); said != name) {
    fail(ErrorKind::kUnsupported, "dense_act_fn is \"", said, "\"; expected \"", name, "\", as feed_forward_proj says");
  }
  if (c.b("is_gated_act", gated) != gated) {
    fail(ErrorKind::kUnsupported, "is_gated_act is ", gated ? "false" : "true", "; feed_forward_proj says otherwise");
  }
  return {.width = c.i_in("d_ff", 1, kMaxSize), .act = act_from(name), .gated = gated, .bias = false};
}

static StackSpec stack(const Value& c, const T5Style& style, bool decoder) {
  const int64_t heads = c.i_in("num_heads", 1, kMaxSize), head_dim = c.i_in("d_kv", 1, kMaxSize);
  const int64_t encoders = c.i_in("num_layers", 0, kMaxSize);
  const int64_t layers = decoder ? c.i_in("num_decoder_layers", encoders, 0, kMaxSize) : encoders;
  const NormSpec norm{NormKind::kRms, c.d("layer_norm_epsilon", 1e-6), false};
  AttentionSpec own{heads, heads, head_dim, 1.0, false, false};
  AttentionSpec cross = own;
  own.see.causal = decoder;
  own.score = Buckets{c.i_in("relative_attention_num_buckets", 32, 4, kMaxSize),
                      c.i_in("relative_attention_max_distance", 128, 2, kMaxSize), !decoder, style.bias_each_layer};
  cross.keys = Source::kEncoder;
  LayerSpec layer = pre_norm(own, mlp_of(c, style.feed_forward), norm);
  if (decoder) layer.insert(layer.begin() + 1, Sublayer{{{norm, cross}}, {}});
  return {.width = c.i_in("d_model", 1, kMaxSize),
          .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize)},
          .kinds = {layer},
          .kind_of = one_kind(layers),
          .weights_of = own_weights(layers),
          .last = norm};
}

Spec t5_spec(const Value& c, const T5Style& style) {
  return {.encoder = stack(c, style, false), .decoder = stack(c, style, true)};
}

using Step = HeadStep;
std::vector<HeadOutput> t5_vocabulary(const Value&) {
  return {{"logits", {{.kind = Step::kVocab, .name = "lm_head"}}}};
}

std::vector<HeadOutput> t5_scaled_vocabulary(const Value& c) {
  std::vector<HeadOutput> head = t5_vocabulary(c);
  if (c.b("scale_decoder_outputs", c.b("tie_word_embeddings", true))) {
    head[0].steps.insert(head[0].steps.begin(), {.kind = Step::kScale, .factor = inverse_sqrt(c.i("d_model"))});
  }
  return head;
}

std::vector<HeadOutput> t5_classes(const Value& c) {
  return {{"logits",
           {{Step::kGather},
            {.kind = Step::kDense, .name = "classification_head.dense", .act = Act::kTanh},
            {.kind = Step::kDense, .name = "classification_head.out_proj", .width = labels_of(c)}}}};
}

}  // namespace fastplm
