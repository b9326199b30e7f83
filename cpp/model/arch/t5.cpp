// T5: pre-norm with RMSNorm, unscaled scores with a learned bias by bucketed distance, no other biases.
// Source: transformers/models/t5/{configuration,modeling}_t5.py; arXiv:1910.10683, arXiv:2002.05202 (gated).
#include "model/arch/t5_family.h"

namespace fastplm {

static Spec t5(const Value& c) { return t5_spec(c, {}); }

static constexpr ModelClass kClasses[] = {
    {"T5Model", {kT5Call, "use_cache"}},
    {.name = "T5EncoderModel", .arguments = {kT5EncoderCall}, .stacks = Stacks::kEncoder, .empty_cross = true},
    {"T5ForConditionalGeneration", {kT5Call, "labels use_cache"}, t5_scaled_vocabulary},
    {.name = "T5ForSequenceClassification",
     .arguments = {kT5HeadCall, kT5Embeds, "labels use_cache"},
     .head = t5_classes,
     .pick = Pick::kLastEnd,
     .prefix = "transformer."},
    {.name = "T5ForTokenClassification",
     .arguments = {kT5EncoderCall, "labels"},
     .head = token_head,
     .stacks = Stacks::kEncoder,
     .prefix = "transformer."},
    {"T5ForQuestionAnswering", {kT5HeadCall, kSpans, kT5Embeds, "use_cache"}, span_head},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}, {"eos_token_id", 1}};

extern const Arch kT5;
const Arch kT5{.model_type = "t5",
               .prefix = "",
               .spec = t5,
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
