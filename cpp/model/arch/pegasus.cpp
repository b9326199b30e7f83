// Pegasus: norms before attention and MLP and positions made of waves, for summaries.
// Source: transformers/models/pegasus/{configuration,modeling}_pegasus.py; arXiv:1912.08777.
#include "model/arch/seq2seq.h"

namespace fastplm {

static Spec pegasus(const Value& c) {
  return seq2seq(c, {.norms_before = true, .waves = Waves::kHalves, .scales_given = true});
}

static constexpr ModelClass kClasses[] = {
    {"PegasusModel", {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "use_cache"}},
    {.name = "PegasusForConditionalGeneration",
     .arguments = {kSeq2SeqCall, "cache", kSeq2SeqEmbeds, "labels use_cache"},
     .head = seq2seq_vocabulary},
    decoder_alone("PegasusForCausalLM"),
};
static constexpr Default kDefaults[] = {{"pad_token_id", 0}, {"eos_token_id", 1}, {"decoder_start_token_id", 0}};

extern const Arch kPegasus;
const Arch kPegasus{
    .model_type = "pegasus",
    .prefix = "model.",
    .spec = pegasus,
    .encoder = kSeq2SeqEncoder,
    .decoder = kSeq2SeqDecoder,
    .classes = kClasses,
    .keys =
        "vocab_size d_model max_position_embeddings encoder_layers decoder_layers encoder_attention_heads "
        "decoder_attention_heads encoder_ffn_dim decoder_ffn_dim activation_function scale_embedding init_std "
        "tie_word_embeddings",
    .aliases = kSeq2SeqAliases,
    .defaults = kDefaults,
    .manners = {.labels_stop_cache = true, .counts_encoder_layers = true, .labels_stand_still = true}};

}  // namespace fastplm
