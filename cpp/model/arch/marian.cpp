// Marian: a post-norm encoder and decoder with positions made of waves, for translation.
// Source: transformers/models/marian/{configuration,modeling}_marian.py; arXiv:1804.00344.
#include "model/arch/seq2seq.h"

namespace fastplm {

static Spec marian(const Value& c) {
  return seq2seq(c, {.waves = Waves::kHalves, .scales_given = true, .own_vocabularies = true});
}

static constexpr ModelClass kClasses[] = {
    {"MarianModel", {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "use_cache"}},
    {.name = "MarianMTModel",
     .arguments = {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "labels use_cache"},
     .head = seq2seq_vocabulary},
    decoder_alone("MarianForCausalLM"),
};
static constexpr Default kDefaults[] = {
    {"pad_token_id", 58100}, {"eos_token_id", 0}, {"decoder_start_token_id", 58100}};

extern const Arch kMarian;
const Arch kMarian{
    .model_type = "marian",
    .prefix = "model.",
    .spec = marian,
    .encoder = kSeq2SeqEncoder,
    .decoder = kSeq2SeqDecoder,
    .classes = kClasses,
    .keys =
        "vocab_size d_model max_position_embeddings encoder_layers decoder_layers encoder_attention_heads "
        "decoder_attention_heads encoder_ffn_dim decoder_ffn_dim activation_function scale_embedding init_std "
        "share_encoder_decoder_embeddings decoder_vocab_size tie_word_embeddings",
    .aliases = kSeq2SeqAliases,
    .defaults = kDefaults,
    .manners = {.labels_stop_cache = true, .counts_encoder_layers = true, .labels_stand_still = true}};

}  // namespace fastplm
