#include "model/stack.h"

#include <algorithm>

namespace fastplm {

std::string slot_of(const Branch& branch) {
  if (std::holds_alternative<ConvSpec>(branch.op)) return "conv";
  const auto* attention = std::get_if<AttentionSpec>(&branch.op);
  return !attention ? "mlp" : attention->keys == Source::kEncoder ? "cross" : "attention";
}

StackWeights load_stack(Loader& load, const StackSpec& spec, int64_t encoder_width) {
  StackWeights out;
  const int64_t width = spec.width;
  out.embed = load_embed(load, spec.embed, width);
  for_each<AttentionSpec>(spec, [&](const AttentionSpec& attention) {
    const auto* buckets = std::get_if<Buckets>(&attention.score);
    if (!buckets || !out.buckets.empty()) return;
    const int64_t exact = buckets->count / (buckets->both_ways ? 4 : 2);   // distances with a bucket of their own
    if (buckets->max_distance <= exact) {
      fail(ErrorKind::kFile, "relative positions have ", buckets->count, " buckets up to the distance ",
           buckets->max_distance, "; expected a distance above ", exact);
    }
    const int64_t tables = buckets->each_layer ? spec.layers() : 1;
    for (int64_t n = 0; n < tables; ++n) {
      out.buckets.push_back(load.table("attention.buckets", {buckets->count, attention.heads}, n));
    }
  });
  for_each<AttentionSpec>(spec, [&](const AttentionSpec& attention) {
    if (const auto* waves = std::get_if<RelativeWaves>(&attention.score))
      out.waves = std::make_shared<WaveTable>(*waves, attention, width);
  });
  Memory aside;   // of what each layer makes its own from
  TensorView positions;
  if (const auto* relative = score_of<RelativeKeys>(spec)) positions = load_positions(load, *relative, width, aside);
  std::vector<std::shared_ptr<RopeTable>> ropes;   // layers share them
  const auto rope_of = [&](const Rope& rope) {
    const auto same = std::ranges::find_if(ropes, [&](const auto& table) { return table->rope() == rope; });
    return same != ropes.end() ? *same : ropes.emplace_back(std::make_shared<RopeTable>(rope));
  };
  for (int64_t n = 0; n < spec.layers(); ++n) {
    const int64_t place = spec.weights_of[size_t(n)];
    if (place < int64_t(out.layers.size())) continue;
    LayerWeights layer;
    for (const Sublayer& sublayer : spec.layer(n)) {
      SublayerWeights weights;
      for (const Branch& branch : sublayer.branches) {
        BranchWeights own;
        if (branch.before) own.before = load.norm(slot_of(branch) + ".before", place, width, branch.before->bias);
        if (branch.inner) own.inner = load.norm(slot_of(branch) + ".inner", place, width, branch.inner->bias);
        const NormWeights* before = branch.before ? &own.before : nullptr;
        if (const auto* attention = std::get_if<AttentionSpec>(&branch.op)) {
          AttentionWeights made = load_attention(load, *attention, width, encoder_width, place, positions, before);
          if (const Rope* rope = std::get_if<Rope>(&attention->score)) made.rope = rope_of(*rope);
          if (std::holds_alternative<RelativeWaves>(attention->score)) out.waves->add(made.waves);
          own.op = std::move(made);
        } else if (const auto* conv = std::get_if<ConvSpec>(&branch.op)) {
          own.op = load_conv(load, *conv, width);
        } else {
          own.op = load_mlp(load, std::get<MlpSpec>(branch.op), width, place, before);
        }
        weights.branches.push_back(std::move(own));
      }
      if (sublayer.after)
        weights.after = load.norm(slot_of(sublayer.branches[0]) + ".after", place, width, sublayer.after->bias);
      layer.push_back(std::move(weights));
    }
    out.layers.push_back(std::move(layer));
  }
  if (spec.last) out.last = load.norm("last", 0, width, spec.last->bias);
  if (spec.projected) out.projected = load.linear({{"last.project", spec.projected}}, 0, width, false);
  return out;
}

}  // namespace fastplm
