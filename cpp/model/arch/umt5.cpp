// UMT5: mT5 with biases by distance of each layer's own.
// Source: transformers/models/umt5/{configuration,modeling}_umt5.py; arXiv:2304.09151.
#include "model/arch/t5_family.h"

namespace fastplm {

static Spec umt5(const Value& c) { return t5_spec(c, {.feed_forward = "gated-gelu", .bias_each_layer = true}); }

static constexpr ModelClass kClasses[] = {
    {"UMT5Model", {kT5Call, "use_cache"}},
    {.name = "UMT5EncoderModel", .arguments = {kT5EncoderCall}, .stacks = Stacks::kEncoder, .empty_cross = true},
    {"UMT5ForConditionalGeneration", {kT5Call, "labels use_cache"}, t5_scaled_vocabulary},
    {.name = "UMT5ForSequenceClassification",
     .arguments = {kT5HeadCall, kT5Embeds, "labels use_cache"},
     .head = t5_classes,
     .pick = Pick::kLastEnd,
     .prefix = "transformer."},
    {.name = "UMT5ForTokenClassification",
     .arguments = {kT5EncoderCall, "labels"},
     .head = token_head,
     .stacks = Stacks::kEncoder,
     .prefix = "transformer."},
    {"UMT5ForQuestionAnswering", {kT5HeadCall, kSpans, kT5Embeds, "use_cache"}, span_head},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}, {"eos_token_id", 1}, {"decoder_start_token_id", 0}};

extern const Arch kUmt5;
const Arch kUmt5{.model_type = "umt5",
                 .prefix = "",
                 .spec = umt5,
                 .encoder = kT5Encoder,
                 .decoder = kT5Decoder,
                 .classes = kClasses,
                 .keys =
                     "vocab_size d_model d_kv d_ff num_layers num_heads relative_attention_num_buckets "
                     "relative_attention_max_distance layer_norm_epsilon feed_forward_proj dense_act_fn "
                     "is_gated_act num_decoder_layers num_labels tie_word_embeddings scale_decoder_outputs",
                 .aliases = kT5Aliases,
                 .defaults = kDefaults,
                 .tie = Tie::kAlways};

}  // namespace fastplm
