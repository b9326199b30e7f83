#include "model/parts.h"

namespace fastplm {

static void check_norms(const StackSpec& spec) {
  const auto check = [](const std::optional<NormSpec>& norm) {
    if (norm && !(norm->eps > 0))
      fail(ErrorKind::kFile, "config.json: the norm's epsilon is ", norm->eps, "; expected a value > 0");
  };
  check(spec.embed.norm);
  check(spec.last);
  for (const LayerSpec& layer : spec.kinds) {
    for (const Sublayer& sublayer : layer) {
      check(sublayer.after);
      for (const Branch& branch : sublayer.branches) check(branch.before);
    }
  }
}

Parts load_parts(Loader& load, const Arch& arch, const ModelClass& kind, const Value& config) {
  Parts parts{.spec = arch.spec(config), .encoder = {}, .decoder = {}, .heads = {}};
  Spec& spec = parts.spec;
  if (kind.stacks == Stacks::kEncoder) spec.decoder.reset();
  std::vector<HeadOutput> outputs;
  if (kind.head) outputs = kind.head(config);
  bool projects = false;   // to the vocabulary
  for (const HeadOutput& output : outputs) {
    for (const HeadStep& step : output.steps) projects |= step.kind == HeadStep::kVocab;
  }
  const bool tied = projects && config.b("tie_word_embeddings", arch.tied);

  const bool both = spec.encoder && spec.decoder;
  if (spec.encoder) {
    check_norms(*spec.encoder);
    load.use("encoder", arch.encoder);
    parts.encoder = load_stack(load, *spec.encoder, 0, tied);
  }
  if (spec.decoder) {
    check_norms(*spec.decoder);
    load.use("decoder", arch.decoder);
    parts.decoder = load_stack(load, *spec.decoder, both ? spec.encoder->width : 0, tied);
  }
  const StackWeights& stack = spec.decoder ? parts.decoder : parts.encoder;
  parts.heads = load_head(load, outputs, parts.last().width, parts.last().embed.vocab,
                          tied ? &stack.embed.tokens.packed : nullptr);
  return parts;
}

}  // namespace fastplm
