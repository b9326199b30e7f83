#include "model/model.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "ops/check.h"
#include "ops/convert.h"

namespace fastplm {

// An arena from the free list, put back at the end. The list holds at most two for each thread, none of them large.
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

Model::Model(const std::string& model_type, const std::string& class_name, const Value& config,
             const std::vector<TensorEntry>& tensors, Format format, bool optional)
    : format_(format), dtype_(ops::activation_of(format)) {
  const Arch& arch = arch_of(model_type);
  const ModelClass& kind = class_of(arch, class_name);
  Checkpoint load(arch, kind, tensors, format, memory_);
  load.initialise_with(config.d("initializer_range", config.d("init_std", 0.02)));
  parts_ = load_parts(load, arch, kind, config, optional);
  missing_ = load.missing();
}

Model::~Model() = default;

uint64_t Model::next_id() {
  static std::atomic<uint64_t> count{0};
  return ++count;
}

Cache Model::new_cache() const {
  if (!parts_.spec.decoder) fail(ErrorKind::kValue, "a cache needs a decoder; this model has none");
  return Cache(*parts_.spec.decoder, dtype_, rounds_cache(), id_);
}

void Model::check(const StackSpec& spec, const Batch& batch, const Decoding& decoding) const {
  const Check check{"forward"};
  check.rank("cu_seqlens", batch.cu_seqlens, 1);
  const int64_t tokens = batch.ids ? batch.ids.shape.count() : batch.embeds ? batch.embeds.shape[0] : 0;
  const Sequences sequences = sequences_of("forward", batch.cu_seqlens, tokens);
  if (batch.embeds) check.matches("inputs_embeds", batch.embeds, DType::kF32, {tokens, spec.embed_width()});
  for (int64_t s = 0; s < sequences.count; ++s) {
    const int64_t past = decoding.past.empty() ? 0 : decoding.past[size_t(s)];
    // By positions; where these are given, by tokens, since hidden ones take none.
    const int64_t length =
        decoding.cache && batch.position_ids ? decoding.cache->own.length(s) : past + sequences.length(s);
    if (spec.max_length && length > spec.max_length) {
      fail(ErrorKind::kValue, "forward: sequence ", s, " has ", length, " tokens; this model takes at most ",
           spec.max_length, ": truncate it (truncation=True)");
    }
  }
  if (batch.ids) check.ids("input_ids", batch.ids, tokens, spec.embed.vocab);
  const int64_t segments = spec.embed.segments_are_tokens ? spec.embed.vocab : spec.embed.segments;
  if (batch.segment_ids && segments) check.ids("token_type_ids", batch.segment_ids, tokens, segments);
  const auto* waves = score_of<RelativeWaves>(spec);
  if (waves && waves->halves && !batch.backward)
    fail(ErrorKind::kUnsupported,
         "forward: this model reads half of a batch backwards; expected rows of a padded batch");
  if (batch.language_ids && spec.embed.languages) check.ids("langs", batch.language_ids, tokens, spec.embed.languages);
  constexpr int64_t kPositions = 1 << 20;   // more than any model's; bounds the tables of rotary positions
  const int64_t positions = spec.embed.positions ? spec.embed.positions->count : spec.max_length;
  if (batch.position_ids) check.ids("position_ids", batch.position_ids, tokens, positions ? positions : kPositions);
}

void Model::encode(const Batch& batch, const Outputs& out, TensorView remembered) const {
  if (!parts_.spec.encoder) fail(ErrorKind::kValue, "forward: this model has no encoder");
  const StackSpec& spec = *parts_.spec.encoder;
  check(spec, batch, {});
  StackCall call{
      .spec = spec, .weights = parts_.encoder, .heads = out.heads.empty() ? nullptr : &parts_.heads, .dtype = dtype_};
  std::optional<KeyStore> keys;
  if (batch.remembered) {
    const Shape shape{spec.layers(), batch.sequences(), batch.remembered, spec.width};
    Check{"forward"}.matches("mems", remembered, DType::kF32, shape);
    call.own = &keys.emplace(spec, Source::kSelf, dtype_);
    write_remembered_keys(*keys, batch, remembered);
  }
  if (parts_.encoder.waves && spec.layers()) call.waves = parts_.encoder.waves->of(reach_of(call, batch));
  run(call, batch, out);
}

void Model::decode(const Batch& batch, const Decoding& decoding, const Outputs& out) const {
  if (!parts_.spec.decoder) fail(ErrorKind::kValue, "forward: this model has no decoder");
  check(*parts_.spec.decoder, batch, decoding);
  StackCall call{.spec = *parts_.spec.decoder,
                 .weights = parts_.decoder,
                 .heads = out.heads.empty() ? nullptr : &parts_.heads,
                 .dtype = dtype_,
                 .past = decoding.past.empty() ? nullptr : decoding.past.data(),
                 .lengths = decoding.lengths.empty() ? nullptr : decoding.lengths.data()};
  if (decoding.cache) call.own = &decoding.cache->own;
  std::optional<KeyStore> keys;
  if (parts_.spec.encoder) {
    call.encoder =
        decoding.cache ? &decoding.cache->encoder : &keys.emplace(*parts_.spec.decoder, Source::kEncoder, dtype_);
    if (call.encoder->sequences() == 0) write_encoder_keys(*call.encoder, decoding);
    if (call.encoder->sequences() != batch.sequences()) {
      fail(ErrorKind::kValue, "forward: ", batch.sequences(), " rows; the encoder's states have ",
           call.encoder->sequences());
    }
    Sequences states;
    if (decoding.starts)
      states = sequences_of("forward", decoding.starts, decoding.states ? decoding.states.shape[0] : 0);
    for (int64_t s = 0; s < states.count; ++s) {
      if (states.length(s) == call.encoder->length(s)) continue;
      fail(ErrorKind::kValue, "forward: row ", s, " of the encoder's states has ", states.length(s),
           " tokens; the cache was filled from ", call.encoder->length(s));
    }
    for (size_t s = 0; s < decoding.columns.size(); ++s) {
      if (decoding.columns[s] == call.encoder->columns(int64_t(s))) continue;
      fail(ErrorKind::kValue, "forward: attention_mask shows other tokens of row ", s,
           " than when the cache was filled; expected the same mask");
    }
  }
  run(call, batch, out);
}

static std::vector<int32_t> counted(int64_t n) {
  std::vector<int32_t> numbers(static_cast<size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// `states` as matrices multiply them.
static TensorView narrowed(TensorView states, DType dtype, Buffer& memory) {
  if (dtype == DType::kF32) return states;
  memory = Buffer(states.shape.count() * size_of(dtype));
  const TensorView h{memory.data(), dtype, Device::kCpu, states.shape};
  ops::convert(states, h);
  return h;
}

// Puts keys and values made of h into the last rows of each sequence. w: gives them side by side, `before` values in
// front of them.
static void write_keys(KeyStore& keys, int64_t layer, const Sequences& rows, TensorView h, const LinearWeights& w,
                       int64_t before) {
  const int64_t n = w.weight.n, kv = (n - before) / 2, size = size_of(h.dtype);
  Buffer memory(h.shape[0] * n * size);
  const TensorView made{memory.data(), h.dtype, Device::kCpu, {h.shape[0], n}};
  ops::linear(h, w.weight, w.bias, Act::kNone, {}, made);
  keys.write(layer, 0, rows, made.as<std::byte>() + before * size, made.as<std::byte>() + (before + kv) * size, n);
}

// Calls fn(layer, spec, weights) for each attention to those keys.
template <class Fn>
static void for_attentions(const StackSpec& spec, const StackWeights& weights, Source keys, const Fn& fn) {
  for (int64_t n = 0; n < spec.layers(); ++n) {
    const LayerSpec& layer = spec.layer(n);
    for (size_t s = 0; s < layer.size(); ++s) {
      for (size_t b = 0; b < layer[s].branches.size(); ++b) {
        const auto* attention = std::get_if<AttentionSpec>(&layer[s].branches[b].op);
        if (attention && attention->keys == keys)
          fn(n, *attention, std::get<AttentionWeights>(weights.layer(spec, n)[s].branches[b].op));
      }
    }
  }
}

// Keys and values of remembered states, and room for those of the batch's tokens behind them.
void Model::write_remembered_keys(KeyStore& keys, const Batch& batch, TensorView states) const {
  const StackSpec& spec = *parts_.spec.encoder;
  const int64_t sequences = batch.sequences(), columns = batch.remembered, rows = sequences * columns;
  keys.resize(sequences);
  std::vector<int32_t> starts;
  for (int64_t s = 0; s <= sequences; ++s) starts.push_back(int32_t(s * columns));
  for (int64_t s = 0; s < sequences; ++s) keys.extend(s, counted(columns));
  const Sequences remembered = Sequences{starts.data()}.part(0, sequences);
  for_attentions(spec, parts_.encoder, Source::kSelf,
                 [&](int64_t n, const AttentionSpec& attention, const AttentionWeights& weights) {
                   TensorView layer = slice(states, n, n + 1);
                   layer.shape = {rows, spec.width};
                   Buffer narrow;
                   write_keys(keys, n, remembered, narrowed(layer, dtype_, narrow), weights.in, attention.inner());
                 });
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  for (int64_t s = 0; s < sequences; ++s) keys.extend(s, counted(start[s + 1] - start[s]));
}

// Keys and values of all layers that attend to the encoder, from its states.
void Model::write_encoder_keys(KeyStore& keys, const Decoding& decoding) const {
  const StackSpec& spec = *parts_.spec.decoder;
  const TensorView states = decoding.states, starts = decoding.starts;
  if (!starts) fail(ErrorKind::kValue, "forward: the decoder needs the encoder's states; expected encoder_outputs");
  const Sequences rows = sequences_of("forward", starts, states ? states.shape[0] : 0);
  keys.resize(rows.count);
  for (int64_t s = 0; s < rows.count; ++s) {
    keys.extend(s, decoding.columns.empty() ? counted(rows.length(s)) : decoding.columns[size_t(s)]);
  }
  if (!states) return;   // all are hidden
  Buffer narrow;
  const TensorView h = narrowed(states, dtype_, narrow);
  for_attentions(spec, parts_.decoder, Source::kEncoder,
                 [&](int64_t n, const AttentionSpec&, const AttentionWeights& weights) {
                   write_keys(keys, n, rows, h, weights.keys, 0);
                 });
}

void Model::run(StackCall call, const Batch& batch, const Outputs& out) const {
  const Sequences sequences = Sequences{batch.cu_seqlens.as<int32_t>()}.part(0, batch.sequences());
  for (KeyStore* store : {call.own, call.encoder}) {
    if (store) store->update_tables();
  }
  const std::vector<Group> groups = groups_of(sequences, num_threads());
  if (!groups.empty() && !batch.targets.cu_seqlens) return run_groups(call, batch, out, groups);
  run_one(call, batch, out, true);
}

void Model::run_groups(const StackCall& call, const Batch& batch, const Outputs& out,
                       const std::vector<Group>& groups) const {
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  const auto keys_of = [&](const KeyStore* store, int64_t s) {
    return store ? store->length(s) : start[s + 1] - start[s];
  };
  // Where each sequence's attention weights begin within a layer, and its keys.
  int64_t heads = 0;
  for_each<AttentionSpec>(call.spec, [&](const AttentionSpec& attention) { heads = attention.heads; });
  std::vector<int64_t> place(1, 0), cross_place(1, 0), key_place(1, 0);
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    const int64_t length = start[s + 1] - start[s];
    place.push_back(place.back() + heads * length * keys_of(call.own, s));
    cross_place.push_back(cross_place.back() + heads * length * (call.encoder ? call.encoder->length(s) : 0));
    key_place.push_back(key_place.back() + keys_of(call.own, s));
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
                 .language_ids = slice(batch.language_ids, from, to),
                 .hidden = slice(batch.hidden, from, to),
                 .position_ids = slice(batch.position_ids, from, to),
                 .index = slice(batch.index, key_place[size_t(first)], key_place[size_t(last)]),
                 .mask = slice(batch.mask, from, to),
                 .gather = slice(batch.gather, first, last),
                 .key_segments = slice(batch.key_segments, key_place[size_t(first)], key_place[size_t(last)]),
                 .backward = slice(batch.backward, first, last),
                 .remembered = batch.remembered,
                 .targets = {}};
      Outputs part_out{.last_hidden = slice(out.last_hidden, from, to),
                       .hidden_states = out.hidden_states,
                       .attentions = out.attentions,
                       .cross_attentions = out.cross_attentions,
                       .heads = {},
                       .last_rows = out.last_rows,
                       .pooled = slice(out.pooled, first, last),
                       .pool = out.pool,
                       .normalize = out.normalize};
      for (size_t i = 0; i < out.heads.size(); ++i) {
        const bool whole = out.last_rows || parts_.heads[i].spec.per_sequence();
        part_out.heads.push_back(whole ? slice(out.heads[i], first, last) : slice(out.heads[i], from, to));
      }
      // These keep all tokens' layout: only their beginning moves to the group's.
      const auto move = [](TensorView& view, int64_t values) {
        if (view) view.data = view.as<float>() + values;
      };
      move(part_out.hidden_states, from * call.spec.width);
      move(part_out.attentions, place[size_t(first)]);
      move(part_out.cross_attentions, cross_place[size_t(first)]);
      StackCall own = call;
      own.first = call.first + first;
      if (own.past) own.past += first;
      if (own.lengths) own.lengths += first;
      run_one(own, part, part_out, false);
    }
  });
}

void Model::run_one(const StackCall& call, const Batch& batch, const Outputs& out, bool alone) const {
  if (batch.rows() == 0) {
    if (out.pooled) std::memset(out.pooled.data, 0, size_t(out.pooled.shape.count()) * sizeof(float));
    for (const TensorView& view : out.heads) {
      if (view) std::memset(view.data, 0, size_t(view.shape.count()) * sizeof(float));
    }
    return;
  }
  const int threads = num_threads();   // once: another thread of the program may set it meanwhile
  Lease lease(*this, forward_bytes(call, batch, alone, threads));
  forward(call, batch, out, alone, threads, *lease);
}

}  // namespace fastplm
