// BART: a post-norm encoder and decoder with learned positions, which begin behind two reserved rows.
// Source: transformers/models/bart/{configuration,modeling}_bart.py; arXiv:1910.13461.
#include "model/arch/seq2seq.h"

namespace fastplm {

static Spec bart(const Value& c) { return seq2seq(c, {.embed_norm = true}); }

static constexpr ModelClass kClasses[] = {
    {"BartModel", {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "use_cache"}},
    {.name = "BartForConditionalGeneration",
     .arguments = {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "labels use_cache"},
     .head = seq2seq_vocabulary,
     .also = "ForMaskedLM"},   // it was trained so
    {"BartForSequenceClassification",
     {kSeq2SeqCall, kSeq2SeqEmbeds, "labels use_cache"},
     seq2seq_classes,
     Pick::kLastEnd},
    {"BartForQuestionAnswering", {kSeq2SeqCall, kSpans, kSeq2SeqEmbeds, "use_cache"}, span_head},
    decoder_alone("BartForCausalLM"),
};
static constexpr Default kDefaults[] = {
    {"pad_token_id", 1}, {"bos_token_id", 0}, {"eos_token_id", 2}, {"decoder_start_token_id", 2}, {"num_labels", 3}};

extern const Arch kBart;
const Arch kBart{
    .model_type = "bart",
    .prefix = "model.",
    .spec = bart,
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
                .labels_stop_cache = true,
                .counts_encoder_layers = true,
                .labels_stand_still = true}};

}  // namespace fastplm
