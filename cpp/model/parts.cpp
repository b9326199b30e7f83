#include "model/parts.h"

#include <algorithm>

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
      for (const Branch& branch : sublayer.branches) {
        check(branch.before);
        check(branch.inner);
      }
    }
  }
  if (const auto* relative = score_of<RelativeKeys>(spec)) check(relative->norm);
}

// All attentions of a sublayer would use one workspace for queries, keys and values.
static void check_branches(const StackSpec& spec) {
  for (const LayerSpec& layer : spec.kinds) {
    for (const Sublayer& sublayer : layer) {
      const auto attends = [](const Branch& b) { return std::holds_alternative<AttentionSpec>(b.op); };
      if (std::ranges::count_if(sublayer.branches, attends) > 1)
        fail(ErrorKind::kInternal, "a sublayer has several attentions; expected at most one");
    }
  }
}

static void drop_cross(StackSpec& spec) {
  for (LayerSpec& layer : spec.kinds) {
    std::erase_if(layer, [](const Sublayer& sublayer) {
      const auto* attention = std::get_if<AttentionSpec>(&sublayer.branches[0].op);
      return attention && attention->keys == Source::kEncoder;
    });
  }
}

Parts load_parts(Loader& load, const Arch& arch, const ModelClass& kind, const Value& config, bool optional) {
  Parts parts{.spec = arch.spec(config), .encoder = {}, .decoder = {}, .heads = {}};
  Spec& spec = parts.spec;
  if (kind.stacks == Stacks::kEncoder) spec.decoder.reset();
  if (kind.stacks == Stacks::kDecoder) {
    spec.encoder.reset();
    drop_cross(*spec.decoder);
  }
  std::vector<HeadOutput> outputs;
  if (kind.head) outputs = kind.head(config);
  if (!optional) std::erase_if(outputs, [](const HeadOutput& output) { return output.optional; });
  const HeadStep* projection = nullptr;   // to the vocabulary
  for (const HeadOutput& output : outputs) {
    for (const HeadStep& step : output.steps) {
      if (step.kind == HeadStep::kVocab) projection = &step;
    }
  }
  load.tie(arch.tie == Tie::kAlways || config.b("tie_word_embeddings", arch.tie == Tie::kUnlessSaid),
           projection ? projection->name : nullptr, projection ? projection->older : nullptr);

  const bool both = spec.encoder && spec.decoder;
  if (spec.encoder) {
    check_norms(*spec.encoder);
    check_branches(*spec.encoder);
    load.use("encoder", arch.encoder);
    parts.encoder = load_stack(load, *spec.encoder, 0);
  }
  if (spec.decoder) {
    check_norms(*spec.decoder);
    check_branches(*spec.decoder);
    load.use("decoder", arch.decoder.empty() ? arch.encoder : arch.decoder);   // a family of one stack has one table
    parts.decoder = load_stack(load, *spec.decoder, both ? spec.encoder->width : 0);
  }
  parts.heads = load_head(load, outputs, parts.last().out_width(), parts.last().embed.vocab);
  return parts;
}

}  // namespace fastplm
