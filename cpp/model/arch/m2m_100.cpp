// M2M-100, NLLB: norms before attention and MLP and positions made of waves, counted over tokens that are not padding.
// Source: transformers/models/m2m_100/{configuration,modeling}_m2m_100.py; arXiv:2010.11125.
#include "model/arch/seq2seq.h"

namespace fastplm {

static Spec m2m_100(const Value& c) {
  return seq2seq(c, {.norms_before = true, .waves = Waves::kSteps, .scales = true, .act = "relu"});
}

static std::vector<HeadOutput> vocabulary(const Value&) {
  return {{"logits", {{.kind = HeadStep::kVocab, .name = "lm_head"}}}};
}

static constexpr ModelClass kClasses[] = {
    {"M2M100Model", {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "use_cache"}},
    {.name = "M2M100ForConditionalGeneration",
     .arguments = {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "labels use_cache"},
     .head = vocabulary},
};
static constexpr Default kDefaults[] = {
    {"pad_token_id", 1}, {"bos_token_id", 0}, {"eos_token_id", 2}, {"decoder_start_token_id", 2}};

extern const Arch kM2m100;
const Arch kM2m100{
    .model_type = "m2m_100",
    .prefix = "model.",
    .spec = m2m_100,
    .encoder = kSeq2SeqEncoder,
    .decoder = kSeq2SeqDecoder,
    .classes = kClasses,
    .keys =
        "vocab_size d_model max_position_embeddings encoder_layers decoder_layers encoder_attention_heads "
        "decoder_attention_heads encoder_ffn_dim decoder_ffn_dim activation_function scale_embedding init_std "
        "pad_token_id tie_word_embeddings",
    .aliases = kSeq2SeqAliases,
    .defaults = kDefaults,
    .manners = {.counts_encoder_layers = true}};

}  // namespace fastplm
