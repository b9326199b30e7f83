// mBART: BART with norms before attention and MLP, and one after all layers.
// Source: transformers/models/mbart/{configuration,modeling}_mbart.py; arXiv:2001.08210.
#include "model/arch/seq2seq.h"

namespace fastplm {

static Spec mbart(const Value& c) { return seq2seq(c, {.norms_before = true, .embed_norm = true}); }

static constexpr ModelClass kClasses[] = {
    {"MBartModel", {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "use_cache return_dict"}},
    {.name = "MBartForConditionalGeneration",
     .arguments = {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "labels use_cache return_dict"},
     .head = seq2seq_vocabulary,
     .also = "ForMaskedLM"},
    {"MBartForSequenceClassification",
     {kSeq2SeqCall, kSeq2SeqEmbeds, "labels use_cache"},
     seq2seq_classes,
     Pick::kLastEnd},
    {"MBartForQuestionAnswering", {kSeq2SeqCall, kSpans, kSeq2SeqEmbeds, "use_cache"}, span_head},
    decoder_alone("MBartForCausalLM"),
};
static constexpr Default kDefaults[] = {{"pad_token_id", 1}, {"bos_token_id", 0}, {"eos_token_id", 2}};

extern const Arch kMbart;
const Arch kMbart{
    .model_type = "mbart",
    .prefix = "model.",
    .spec = mbart,
    .encoder = kSeq2SeqEncoder,
    .decoder = kSeq2SeqDecoder,
    .classes = kClasses,
    .keys =
        "vocab_size d_model max_position_embeddings encoder_layers decoder_layers encoder_attention_heads "
        "decoder_attention_heads encoder_ffn_dim decoder_ffn_dim activation_function scale_embedding init_std "
        "num_labels tie_word_embeddings",
    .aliases = kSeq2SeqAliases,
    .defaults = kDefaults,
    .manners = {.shifts_input_ids = true,
                .wraps_last_id = true,
                .labels_stop_cache = true,
                .counts_encoder_layers = true,
                .labels_stand_still = true}};

}  // namespace fastplm
