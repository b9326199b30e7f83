#include "model/model.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "core/parallel.h"
#include "model/blocks/attention.h"
#include "model/blocks/embed.h"
#include "model/blocks/mlp.h"
#include "model/blocks/norm.h"
#include "ops/attention.h"
#include "ops/check.h"
#include "ops/convert.h"
#include "ops/cu_seqlens.h"
#include "ops/pool.h"
#include "ops/rope.h"

namespace fastplm {
namespace {

// A thread carries about this many tokens through the whole model at a time: enough rows to use the weights
// well, few enough that they stay near the core.
constexpr int64_t kGroupTokens = 256, kPassRows = 256;

int64_t longest_of(const Batch& batch, int64_t first, int64_t last) {
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  int64_t longest = 0;
  for (int64_t s = first; s < last; ++s) longest = std::max<int64_t>(longest, start[s + 1] - start[s]);
  return longest;
}

// One more than the largest distance between two tokens of a sequence.
int64_t reach_of(const Batch& batch, int64_t longest) {
  if (!batch.index) return longest;
  const int32_t *start = batch.cu_seqlens.as<int32_t>(), *index = batch.index.as<int32_t>();
  int64_t reach = 1;
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    if (start[s] < start[s + 1]) reach = std::max<int64_t>(reach, index[start[s + 1] - 1] - index[start[s]] + 1);
  }
  return reach;
}

TensorView copy_of(TensorView from, TensorView to) {
  std::memcpy(to.data, from.data, size_t(from.shape.count() * size_of(from.dtype)));
  return to;
}

}  // namespace

struct Model::Group {
  int64_t first, last;   // sequences
  int64_t tokens;
};

// An arena from the free list, put back at the end. The list never holds more than one for each thread that
// worked at the same time, and none of unusual size.
class Model::Lease {
 public:
  Lease(const Model& model, int64_t bytes) : model_(model) {
    std::lock_guard lock(model.free_lock_);
    auto& free = model.free_;
    const auto fits = std::ranges::find_if(free, [&](const Arena& a) { return a.size() >= bytes; });
    if (fits != free.end()) {
      arena_ = std::move(*fits);
      free.erase(fits);
    } else {
      if (!free.empty()) free.pop_back();   // too small: the new one takes its place
      arena_ = Arena(bytes);
    }
  }
  ~Lease() {
    constexpr int64_t kKeep = 256 << 20;
    if (arena_.size() > kKeep) return;
    arena_.reset();
    std::lock_guard lock(model_.free_lock_);
    if (int(model_.free_.size()) < 2 * num_threads()) model_.free_.push_back(std::move(arena_));
  }
  Arena& operator*() { return arena_; }

 private:
  const Model& model_;
  Arena arena_;
};

Model::Model(const std::string& model_type, const Value& config, const std::vector<TensorEntry>& tensors, DType dtype)
    : dtype_(dtype) {
  const Arch& arch = arch_of(model_type);
  spec_ = arch.spec(config);
  if (!(spec_.norm.eps > 0))
    fail(ErrorKind::kFile, "config.json: the norm's epsilon is ", spec_.norm.eps, "; expected a value > 0");
  weights_ = load_weights(arch, spec_, tensors, dtype);
  for (const AttentionSpec& attention : spec_.attention) {
    TensorView table;
    if (const Rope* rope = std::get_if<Rope>(&attention.score)) {
      for (size_t i = 0; i < rope_.size() && !table; ++i) {
        if (std::get<Rope>(spec_.attention[i].score).theta == rope->theta) table = rope_[i];
      }
      if (!table) {
        rope_memory_.emplace_back(spec_.max_length * attention.head_dim * int64_t(sizeof(float)));
        table = {rope_memory_.back().data(), DType::kF32, Device::kCpu, {spec_.max_length, attention.head_dim}};
        ops::rope_table(rope->theta, table);
      }
    }
    rope_.push_back(table);
  }
}

Model::~Model() = default;

void Model::check(const Batch& batch) const {
  const Check check{"forward"};
  const TensorView& start = batch.cu_seqlens;
  check.rank("cu_seqlens", start, 1);
  const int64_t tokens = batch.ids ? batch.ids.shape.count() : batch.embeds ? batch.embeds.shape[0] : 0;
  const int64_t sequences = check_cu_seqlens("forward", start, tokens);
  if (batch.embeds) check.matches("inputs_embeds", batch.embeds, DType::kF32, {tokens, spec_.width});
  check.optional("index", batch.index, DType::kI32, {tokens});
  if (spec_.max_length) {
    for (int64_t s = 0; s < sequences; ++s) {
      const int64_t length = start.as<int32_t>()[s + 1] - start.as<int32_t>()[s];
      if (length > spec_.max_length) {
        fail(ErrorKind::kValue, "forward: sequence ", s, " has ", length, " tokens; this model takes at most ",
             spec_.max_length, ": truncate it (truncation=True)");
      }
    }
  }
  if (batch.ids) check.ids("input_ids", batch.ids, tokens, spec_.embed.vocab);
  if (batch.segment_ids && spec_.embed.segments)
    check.ids("token_type_ids", batch.segment_ids, tokens, spec_.embed.segments);
  const int64_t positions = spec_.embed.positions ? spec_.embed.positions->count : spec_.max_length;
  if (batch.position_ids && positions) check.ids("position_ids", batch.position_ids, tokens, positions);
}

void Model::forward(const Batch& batch, const Outputs& out) const {
  check(batch);
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  const int64_t sequences = batch.sequences(), tokens = batch.tokens();

  std::vector<Group> groups;
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t length = start[s + 1] - start[s];
    if (groups.empty() || groups.back().tokens + length > kGroupTokens) groups.push_back({s, s, 0});
    groups.back().last = s + 1;
    groups.back().tokens += length;
  }
  // Longest first, and then each to the thread that is free: is any thread left with little to do?
  std::ranges::stable_sort(groups, std::greater{}, &Group::tokens);
  std::vector<int64_t> load(size_t(num_threads()), 0);
  for (const Group& group : groups) *std::ranges::min_element(load) += group.tokens;
  const bool balanced = std::ranges::max(load) * num_threads() <= tokens * 115 / 100;
  if (groups.size() > 1 && (balanced || num_threads() == 1)) return run_groups(batch, out, groups);
  run(batch, out, true);
}

void Model::run_groups(const Batch& batch, const Outputs& out, const std::vector<Group>& groups) const {
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  // Where each sequence's attention weights begin within a layer.
  std::vector<int64_t> place(1, 0);
  for (int64_t s = 0; out.attentions && s < batch.sequences(); ++s) {
    const int64_t length = start[s + 1] - start[s];
    place.push_back(place.back() + spec_.attention[0].heads * length * length);
  }
  parallel_for(int64_t(groups.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin; g < end; ++g) {
      const auto [first, last, tokens] = groups[size_t(g)];
      const int64_t from = start[first], to = start[last];
      std::vector<int32_t> starts;
      for (int64_t s = first; s <= last; ++s) starts.push_back(start[s] - start[first]);
      Batch part{.cu_seqlens = {starts.data(), DType::kI32, Device::kCpu, {last - first + 1}},
                 .ids = slice(batch.ids, from, to),
                 .embeds = slice(batch.embeds, from, to),
                 .segment_ids = slice(batch.segment_ids, from, to),
                 .position_ids = slice(batch.position_ids, from, to),
                 .index = slice(batch.index, from, to),
                 .mask = slice(batch.mask, from, to)};
      Outputs part_out{.last_hidden = slice(out.last_hidden, from, to),
                       .hidden_states = out.hidden_states,
                       .attentions = out.attentions,
                       .pooler = slice(out.pooler, first, last),
                       .pooled = slice(out.pooled, first, last),
                       .pool = out.pool,
                       .normalize = out.normalize};
      // These two keep all tokens' layout: only their beginning moves to the group's.
      if (part_out.hidden_states) part_out.hidden_states.data = out.hidden_states.as<float>() + from * spec_.width;
      if (part_out.attentions) part_out.attentions.data = out.attentions.as<float>() + place[size_t(first)];
      run(part, part_out, false);
    }
  });
}

void Model::run(const Batch& batch, const Outputs& out, bool alone) const {
  const int64_t tokens = batch.tokens(), sequences = batch.sequences(), longest = longest_of(batch, 0, sequences);
  if (tokens == 0) {
    for (const TensorView& view : {out.pooled, out.pooler}) {
      if (view) std::memset(view.data, 0, size_t(view.shape.count()) * sizeof(float));
    }
    return;
  }
  const int64_t pass = kPassRows, passes = (tokens + pass - 1) / pass;
  const bool share_rows = alone && passes >= 2 * num_threads();   // else threads share the columns of each matrix
  const Activations::Size size{.tokens = tokens,
                               .sequences = sequences,
                               .longest = longest,
                               .reach = reach_of(batch, longest),
                               .mlp_rows = alone ? tokens : std::min(tokens, pass),
                               .threads = alone ? num_threads() : 1};
  Lease lease(*this, Activations::bytes(spec_, dtype_, size));
  Activations a = Activations::take(*lease, spec_, dtype_, size);

  const bool pre = spec_.norm.place == NormPlace::kPre;
  const auto capture = [&](int64_t state) {
    if (out.hidden_states) {
      const int64_t step = out.hidden_states.shape[1] * spec_.width;
      copy_of(a.x, {out.hidden_states.as<float>() + state * step, DType::kF32, Device::kCpu, a.x.shape});
    }
  };
  const auto enter_attention = [&](int64_t layer, int64_t begin, int64_t end) {
    const LayerWeights& weights = weights_.layers[size_t(layer)];
    if (pre && (layer > 0 || spec_.first_attention_norm)) {
      norm_block(spec_.norm, weights.attention_norm, slice(a.x, begin, end), slice(a.h, begin, end), false);
    }
    project_qkv(weights, a, begin, end);
  };
  const auto leave_attention = [&](int64_t layer, int64_t begin, int64_t end, int64_t scratch) {
    const LayerWeights& weights = weights_.layers[size_t(layer)];
    const TensorView x = slice(a.x, begin, end), h = slice(a.h, begin, end);
    project_context(weights, a, begin, end);
    norm_block(spec_.norm, pre ? weights.mlp_norm : weights.attention_norm, x, h, !pre);
    mlp_block(spec_.mlp, weights, a, begin, end, scratch);
    if (!pre) norm_block(spec_.norm, weights.mlp_norm, x, h, true);
  };
  // Calls step(begin, end, scratch) so that all rows are covered. A pass of rows goes through several
  // matrices while it is in the cache.
  const auto for_rows = [&](const auto& step) {
    if (share_rows)
      parallel_for(tokens, pass, [&](int64_t begin, int64_t end) { step(begin, end, begin); });
    else if (alone)
      step(0, tokens, 0);
    else
      for (int64_t begin = 0; begin < tokens; begin += pass) step(begin, std::min(tokens, begin + pass), 0);
  };

  embed_block(spec_, weights_, batch, a);
  if (const auto* bias = a.distance_bias ? std::get_if<BucketBias>(&spec_.attention[0].score) : nullptr) {
    ops::bucket_bias(weights_.distance_bias, bias->max_distance, a.distance_bias);
  }
  for (int64_t layer = 0; layer < spec_.layers; ++layer) {
    const size_t kind = size_t(layer) % spec_.attention.size();
    if (layer == 0) for_rows([&](int64_t begin, int64_t end, int64_t) { enter_attention(0, begin, end); });
    capture(layer);
    TensorView layer_weights = out.attentions;
    if (layer_weights) layer_weights.data = out.attentions.as<float>() + layer * out.attentions.shape[1];
    attend(spec_.attention[kind], batch, rope_[kind], a, layer_weights);
    for_rows([&](int64_t begin, int64_t end, int64_t scratch) {
      leave_attention(layer, begin, end, scratch);
      if (layer + 1 < spec_.layers) enter_attention(layer + 1, begin, end);   // leaves x as it is
    });
  }
  if (spec_.final_norm) norm_block(spec_.norm, weights_.final_norm, a.x, a.x, true);
  capture(spec_.layers);
  if (out.last_hidden) copy_of(a.x, out.last_hidden);
  if (out.pooled) ops::pool(a.x, batch.cu_seqlens, out.pool, out.normalize, out.pooled);
  if (out.pooler && weights_.pooler.weight) {
    ops::pool(a.x, batch.cu_seqlens, PoolKind::kCls, false, out.pooler);
    ops::convert(out.pooler, a.first);
    ops::linear(a.first, weights_.pooler.weight, weights_.pooler.bias, Act::kTanh, {}, out.pooler);
  }
}

}  // namespace fastplm
