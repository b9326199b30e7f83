#include "model/forward.h"

#include <cstring>

#include "model/blocks/norm.h"
#include "ops/attention.h"
#include "ops/convert.h"
#include "ops/pool.h"

namespace fastplm {
namespace {

int64_t reach_of(const Batch& batch, const Sequences& keys) {
  const int32_t *index = batch.index.as<int32_t>(), *at = batch.targets.at.as<int32_t>();
  const int32_t* targets = batch.targets.cu_seqlens.as<int32_t>();
  int64_t reach = 1;
  for (int64_t s = 0; s < keys.count; ++s) {
    if (keys.length(s) == 0) continue;
    const int64_t begin = index ? index[keys.start[s]] : 0;
    const int64_t end = index ? index[keys.start[s + 1] - 1] : keys.length(s) - 1;
    reach = std::max(reach, end - begin + 1);
    if (targets && targets[s + 1] > targets[s])
      reach = std::max({reach, end - at[targets[s]] + 1, at[targets[s + 1] - 1] - begin + 1});
  }
  return reach;
}

// Where the keys of a store's sequences begin, if they stood in one row after another.
std::vector<int32_t> starts_of(const KeyStore& store, int64_t first, int64_t count) {
  std::vector<int32_t> starts(1, 0);
  for (int64_t s = first; s < first + count; ++s) starts.push_back(starts.back() + int32_t(store.length(s)));
  return starts;
}

struct KeySequences {
  std::vector<int32_t> own_starts, encoder_starts;   // memory of the views
  Sequences queries, own, encoder;

  KeySequences(const StackCall& call, const Batch& batch)
      : queries(Sequences{batch.cu_seqlens.as<int32_t>()}.part(0, batch.sequences())), own(queries) {
    const auto in = [&](const KeyStore* store, std::vector<int32_t>& starts, Sequences& sequences) {
      if (!store) return;
      starts = starts_of(*store, call.first, queries.count);
      sequences = Sequences{starts.data()}.part(0, queries.count);
    };
    in(call.own, own_starts, own);
    in(call.encoder, encoder_starts, encoder);
  }
};

Space::Size size_of_space(const StackCall& call, const Batch& batch, const KeySequences& keys, bool alone,
                          int threads) {
  const int64_t tokens = batch.rows();
  Space::Size size{.tokens = tokens,
                   .longest = std::max(keys.own.longest, keys.encoder.longest),
                   .reach = reach_of(batch, keys.own),
                   .mlp_rows = alone ? tokens : std::min(tokens, kPassRows),
                   .threads = alone ? threads : 1,
                   .waves = call.waves ? 2 * call.waves->reach - 1 : 0};
  for (size_t i = 0; call.heads && i < call.heads->size(); ++i) {
    size.head_rows = std::max(tokens, batch.sequences());
    size.head_width = std::max(size.head_width, (*call.heads)[i].widest);
  }
  return size;
}

// A step of row-wise work; those between two attentions over whole sequences are done together, a pass of rows
// after another.
struct Step {
  enum Kind : uint8_t { kCapture, kNarrow, kEnter, kLeave, kMlp, kConv, kAfter, kHide, kLast, kProject } kind;
  int64_t layer = 0;
  size_t sublayer = 0, branch = 0;
};

class Walk {
 public:
  Walk(const StackCall& call, const Batch& batch, const Outputs& out, bool alone, int threads, Space& a,
       const KeySequences& keys)
      : call_(call), batch_(batch), out_(out), a_(a), keys_(keys), share_(share_of(batch.rows(), alone, threads)) {}

  void run() {
    const StackSpec& spec = call_.spec;
    embed_block(spec.embed, call_.weights.embed, batch_, call_.past, a_);
    fresh_ = spec.embed.norm && spec.embed.project != EmbedSpec::Project::kAfterNorm;
    if (call_.weights.buckets.size() == 1) fill_distance_bias(0);
    if (a_.place) fill_places();
    if (batch_.hidden) add({Step::kHide});
    for (int64_t n = 0; n < spec.layers(); ++n) {
      add({Step::kCapture, n});
      const LayerSpec& layer = spec.layer(n);
      unfold_input(layer);
      for (size_t s = 0; s < layer.size(); ++s) walk(n, s, layer[s]);
      if (batch_.hidden && spec.hidden == Hidden::kZero) add({Step::kHide});
    }
    if (spec.last) {
      add({Step::kLast});
      fresh_ = false;
    }
    if (spec.projected) {
      narrow();
      add({Step::kProject});
    }
    add({Step::kCapture, spec.layers()});
    flush();
  }

 private:
  void walk(int64_t n, size_t s, const Sublayer& sublayer) {
    const auto& branches = sublayer.branches;
    const auto attends = [&](size_t b) { return std::holds_alternative<AttentionSpec>(branches[b].op); };
    const auto enter = [&](Step::Kind kind, size_t b) {
      if (branches[b].before)
        fresh_ = false;
      else
        narrow();
      add({kind, n, s, b});
    };
    for (size_t b = 0; b < branches.size(); ++b) {   // queries, keys and values first: others change x
      if (attends(b)) enter(Step::kEnter, b);
    }
    const auto convolves = [&](size_t b) { return std::holds_alternative<ConvSpec>(branches[b].op); };
    bool convolved = false;
    for (size_t b = 0; b < branches.size(); ++b) {
      convolved |= convolves(b);
      if (convolves(b))
        add({Step::kConv, n, s, b});
      else if (!attends(b))
        enter(Step::kMlp, b);
    }
    for (size_t b = 0; b < branches.size(); ++b) {
      if (!attends(b)) continue;
      flush();
      attend_layer(n, s, b);
      add({Step::kLeave, n, s, b});
    }
    if (sublayer.after) add({Step::kAfter, n, s});
    fresh_ = sublayer.after.has_value();
    if (convolved && batch_.hidden) add({Step::kHide});   // what they see of tokens beside them shall not stay
  }

  void unfold_input(const LayerSpec& layer) {
    for (const Sublayer& sublayer : layer) {
      for (const Branch& branch : sublayer.branches) {
        const auto* conv = std::get_if<ConvSpec>(&branch.op);
        if (!conv) continue;
        narrow();
        flush();
        unfold(*conv, batch_, a_);
      }
    }
  }

  void add(const Step& step) { stretch_.push_back(step); }

  void narrow() {   // brings x to h, where it is not x already
    if (!fresh_) add({Step::kNarrow});
    fresh_ = true;
  }

  void flush() {
    for_passes(share_, batch_.rows(), [&](int64_t begin, int64_t end, int64_t scratch) {
      for (const Step& step : stretch_) run(step, begin, end, scratch);
    });
    stretch_.clear();
  }

  void run(const Step& step, int64_t begin, int64_t end, int64_t scratch) {
    const TensorView x = slice(a_.x, begin, end), h = slice(a_.h, begin, end);
    const StackSpec& spec = call_.spec;
    if (step.kind == Step::kNarrow) return h.data == x.data ? void() : ops::convert(x, h);
    if (step.kind == Step::kCapture) return capture(step.layer, begin, end);
    if (step.kind == Step::kHide) return hide(begin, end);
    if (step.kind == Step::kLast) return norm_block(*spec.last, call_.weights.last, x, x, true);
    if (step.kind == Step::kProject)
      return ops::linear(h, call_.weights.projected.weight, {}, Act::kNone, {}, slice(a_.last, begin, end));
    const Sublayer& sublayer = spec.layer(step.layer)[step.sublayer];
    const SublayerWeights& weights = call_.weights.layer(spec, step.layer)[step.sublayer];
    if (step.kind == Step::kAfter) return norm_block(*sublayer.after, weights.after, x, h, true);
    const Branch& branch = sublayer.branches[step.branch];
    const BranchWeights& own = weights.branches[step.branch];
    if (branch.before && step.kind != Step::kLeave) norm_block(*branch.before, own.before, x, h, false);
    if (step.kind == Step::kEnter) return enter_attention(std::get<AttentionWeights>(own.op), a_, begin, end);
    const bool direct = branch.adds_itself();
    const TensorView residual = direct ? x : TensorView{}, to = direct ? x : slice(a_.delta, begin, end);
    if (step.kind == Step::kLeave)
      leave_attention(std::get<AttentionWeights>(own.op), a_, begin, end, residual, to);
    else if (step.kind == Step::kConv)
      conv_block(std::get<ConvSpec>(branch.op), std::get<ConvWeights>(own.op), a_, begin, end, residual, to);
    else
      mlp_block(std::get<MlpSpec>(branch.op), std::get<MlpWeights>(own.op), a_, begin, end, scratch, residual, to);
    if (direct) return;
    if (branch.inner) norm_block(*branch.inner, own.inner, to, to, false);
    const float factor = float(branch.factor);
    for (int64_t i = 0; i < x.shape.count(); ++i) x.as<float>()[i] += factor * to.as<float>()[i];
  }

  void capture(int64_t state, int64_t begin, int64_t end) {
    const auto copy = [&](const TensorView& rows, const TensorView& all, int64_t row) {
      std::memcpy(slice(all, row, all.shape[0]).data, rows.data, size_t(rows.shape.count()) * sizeof(float));
    };
    if (out_.hidden_states) {
      TensorView states = out_.hidden_states;   // as rows, one layer's behind the other's
      states.shape = {states.shape[0] * states.shape[1], states.shape[2]};
      copy(slice(a_.x, begin, end), states, state * out_.hidden_states.shape[1] + begin);
    }
    if (state == call_.spec.layers() && out_.last_hidden) copy(slice(a_.last, begin, end), out_.last_hidden, begin);
  }

  void hide(int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      if (!batch_.hidden.as<uint8_t>()[t]) continue;
      for (const TensorView& view : {a_.x, a_.h}) {
        const TensorView row = slice(view, t, t + 1);
        std::memset(row.data, 0, size_t(row.shape.count() * size_of(row.dtype)));
      }
    }
  }

  void attend_layer(int64_t n, size_t s, size_t b) {
    const AttentionSpec& spec = std::get<AttentionSpec>(call_.spec.layer(n)[s].branches[b].op);
    const auto& weights = std::get<AttentionWeights>(call_.weights.layer(call_.spec, n)[s].branches[b].op);
    const bool cross = spec.keys == Source::kEncoder;
    if (!cross && call_.weights.buckets.size() > 1) fill_distance_bias(size_t(call_.spec.weights_of[size_t(n)]));
    const TensorView& all = cross ? out_.cross_attentions : out_.attentions;
    float* here = all ? all.as<float>() + n * all.shape[1] : nullptr;
    if (weights.rope && !ropes_) ropes_.emplace(batch_, a_.position_ids, call_.lengths);
    const BatchRopes::View rope = weights.rope ? ropes_->of(*weights.rope) : BatchRopes::View{};
    const KeyView keys{cross ? keys_.encoder : keys_.own, cross ? call_.encoder : call_.own, call_.first};
    const size_t own = size_t(call_.spec.weights_of[size_t(n)]);
    const ops::RelativePositions relative = call_.waves ? call_.waves->layers[own] : weights.relative;
    attend(spec, weights, batch_, keys_.queries, keys, n, rope, relative, a_, here);
  }

  void fill_distance_bias(size_t table) {
    const Buckets* buckets = score_of<Buckets>(call_.spec);
    ops::bucket_bias(call_.weights.buckets[table], buckets->max_distance, buckets->both_ways, a_.distance_bias);
  }

  void fill_places() {
    if (call_.waves) return place_waves(*call_.waves, a_.place, a_.mirrored);
    const RelativeKeys* relative = score_of<RelativeKeys>(call_.spec);
    ops::place_positions(relative->count, relative->buckets, relative->max_distance, a_.place);
  }

  const StackCall& call_;
  const Batch& batch_;
  const Outputs& out_;
  Space& a_;
  const KeySequences& keys_;
  const Share share_;
  std::vector<Step> stretch_;
  std::optional<BatchRopes> ropes_;
  bool fresh_ = false;   // h holds what x does
};

}  // namespace

int64_t reach_of(const StackCall& call, const Batch& batch) {
  const KeySequences keys(call, batch);
  return reach_of(batch, keys.own);
}

int64_t forward_bytes(const StackCall& call, const Batch& batch, bool alone, int threads) {
  const KeySequences keys(call, batch);
  return Space::bytes(call.spec, call.dtype, size_of_space(call, batch, keys, alone, threads));
}

void forward(const StackCall& call, const Batch& batch, const Outputs& out, bool alone, int threads, Arena& arena) {
  const KeySequences keys(call, batch);
  Space a = Space::take(arena, call.spec, call.dtype, size_of_space(call, batch, keys, alone, threads));
  Walk(call, batch, out, alone, threads, a, keys).run();
  if (out.pooled) ops::pool(a.last, batch.cu_seqlens, out.pool, out.normalize, out.pooled);
  for (size_t i = 0; i < out.heads.size(); ++i) {
    if (out.heads[i]) head_block((*call.heads)[i], batch, a, out.last_rows, out.heads[i]);
  }
}

}  // namespace fastplm
