// ModernBERT: a pre-norm encoder with rotary positions, alternating global and local attention and a gated MLP.
// Source: transformers/models/modernbert/{configuration,modeling}_modernbert.py; arXiv:2412.13663.
#include <algorithm>

#include "model/arch.h"

namespace fastplm {

// theta of one kind of layer: in rope_parameters (transformers 5), or under the older flat name.
static Rope rope_of(const Value& c, const char* kind, const char* flat_name, double standard) {
  const Value* parameters = c.find("rope_parameters");
  const Value* own = parameters ? parameters->find(kind) : nullptr;
  if (own) {
    if (const std::string type = own->s("rope_type", "default"); type != "default") {
      fail(ErrorKind::kUnsupported, "\"rope_type\" is \"", type, "\"; only \"default\" is supported");
    }
    if (own->has("rope_theta")) return {own->d("rope_theta")};
  }
  return {c.d(flat_name, standard)};
}

static Spec modernbert(const Value& c) {
  const int64_t width = c.i_in("hidden_size", 1, kMaxSize), heads = c.i_in("num_attention_heads", 1, kMaxSize);
  const int64_t layers = c.i_in("num_hidden_layers", 0, kMaxSize), head_dim = head_dim_of(width, heads);
  if (head_dim % 2) fail(ErrorKind::kFile, "heads are ", head_dim, " wide; rotary positions need an even width");

  AttentionSpec global{.heads = heads,
                       .head_dim = head_dim,
                       .scale = inverse_sqrt(head_dim),
                       .bias = c.b("attention_bias", false),
                       .score = rope_of(c, "full_attention", "global_rope_theta", 160000.0)};
  AttentionSpec local = global;
  local.score = rope_of(c, "sliding_attention", "local_rope_theta", 10000.0);
  local.window = c.i_in("local_attention", 128, 0, kMaxSize) / 2;

  std::vector<AttentionSpec> attention;
  if (const Value* types = c.find("layer_types")) {
    for (const Value& type : types->array("layer_types")) {
      const std::string& kind = type.string("layer_types");
      if (kind != "full_attention" && kind != "sliding_attention") {
        fail(ErrorKind::kFile, "\"layer_types\" holds \"", kind, "\"; expected full_attention or sliding_attention");
      }
      attention.push_back(kind == "full_attention" ? global : local);
    }
    if (int64_t(attention.size()) != layers) {
      fail(ErrorKind::kFile, "\"layer_types\" names ", attention.size(), " layers; \"num_hidden_layers\" is ", layers);
    }
  } else {
    const int64_t period = c.i_in("global_attn_every_n_layers", 3, 1, kMaxSize);
    attention.assign(size_t(std::min(period, std::max<int64_t>(layers, 1))), local);
    attention.front() = global;
  }
  if (attention.empty()) attention.push_back(global);

  return {
      .width = width,
      .layers = layers,
      .embed = {.vocab = c.i_in("vocab_size", 1, kMaxSize), .norm = true},
      .norm = {NormKind::kLayer, NormPlace::kPre, c.d("norm_eps", 1e-5), c.b("norm_bias", false)},
      .attention = attention,
      .mlp = {.width = c.i_in("intermediate_size", 1, kMaxSize),
              .act = act_from(c.s("hidden_activation", "gelu")),
              .gated = true,
              .bias = c.b("mlp_bias", false)},
      .first_attention_norm = false,
      .final_norm = true,
      .max_length = c.i_in("max_position_embeddings", 8192, 1, kMaxSize),
  };
}

static constexpr WeightRow kWeights[] = {
    {Slot::kTokenEmbed, "embeddings.tok_embeddings"},
    {Slot::kEmbedNorm, "embeddings.norm"},
    {Slot::kAttentionNorm, "layers.{n}.attn_norm"},
    {Slot::kQkv, "layers.{n}.attn.Wqkv"},
    {Slot::kAttentionOut, "layers.{n}.attn.Wo"},
    {Slot::kMlpNorm, "layers.{n}.mlp_norm"},
    {Slot::kMlpUp, "layers.{n}.mlp.Wi"},
    {Slot::kMlpDown, "layers.{n}.mlp.Wo"},
    {Slot::kFinalNorm, "final_norm"},
};

extern const Arch kModernBert;
const Arch kModernBert{"modernbert", "model.", modernbert, kWeights};

}  // namespace fastplm
