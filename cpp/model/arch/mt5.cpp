// mT5: T5 with a gated MLP and an output of its own scale.
// Source: transformers/models/mt5/{configuration,modeling}_mt5.py; arXiv:2010.11934.
#include "model/arch/t5_family.h"

namespace fastplm {

static Spec mt5(const Value& c) { return t5_spec(c, {.feed_forward = "gated-gelu"}); }

static constexpr ModelClass kClasses[] = {
    {"MT5Model", {kT5Call, "use_cache"}},
    {.name = "MT5EncoderModel", .arguments = {kT5EncoderCall}, .stacks = Stacks::kEncoder, .empty_cross = true},
    {"MT5ForConditionalGeneration", {kT5Call, "labels use_cache"}, t5_vocabulary},
    {.name = "MT5ForSequenceClassification",
     .arguments = {kT5HeadCall, kT5Embeds, "labels use_cache"},
     .head = t5_classes,
     .pick = Pick::kLastEnd,
     .prefix = "transformer."},
    {.name = "MT5ForTokenClassification",
     .arguments = {kT5EncoderCall, "labels"},
     .head = token_head,
     .stacks = Stacks::kEncoder,
     .prefix = "transformer."},
    {"MT5ForQuestionAnswering", {kT5HeadCall, kSpans, kT5Embeds, "use_cache"}, span_head},
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}, {"eos_token_id", 1}, {"decoder_start_token_id", 0}};

extern const Arch kMt5;
const Arch kMt5{.model_type = "mt5",
                .prefix = "",
                .spec = mt5,
                .encoder = kT5Encoder,
                .decoder = kT5Decoder,
                .classes = kClasses,
                .keys =
                    "vocab_size d_model d_kv d_ff num_layers num_heads relative_attention_num_buckets "
                    "relative_attention_max_distance layer_norm_epsilon feed_forward_proj dense_act_fn "
                    "is_gated_act num_decoder_layers num_labels",
                .aliases = kT5Aliases,
                .defaults = kDefaults,
                .tie = Tie::kAlways};

}  // namespace fastplm
