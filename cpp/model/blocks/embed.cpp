#include "model/blocks/embed.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "model/blocks/norm.h"
#include "ops/convert.h"
#include "ops/embed.h"

namespace fastplm {

using Project = EmbedSpec::Project;

// In the arithmetic of transformers: f32 for steps (M2M-100), else angles in double (Marian, DistilBERT).
static void fill_waves(const LearnedPositions& positions, int64_t width, float* table) {
  const bool turns = positions.waves == Waves::kTurns, steps = positions.waves == Waves::kSteps;
  const int64_t half = width / 2, sines = steps ? half : width - half;
  const float step = float(std::log(10000.0) / double(half - 1));
  std::vector<double> slower;   // than the position, of each column
  for (int64_t i = 0; i < width; ++i) {
    const int64_t place = turns ? i / 2 : i < sines ? i : i - sines;
    slower.push_back(steps ? double(std::exp(float(place) * -step))
                           : std::pow(10000.0, double(2 * place) / double(width)));
  }
  for (int64_t p = 0; p < positions.count; ++p, table += width) {
    for (int64_t i = 0; i < width; ++i) {
      const bool cosine = turns ? i % 2 : i >= sines;
      if (steps && (i == 2 * half || p == positions.padding_id)) {
        table[i] = 0.0f;
      } else if (steps) {
        const float angle = float(p) * float(slower[size_t(i)]);
        table[i] = cosine ? std::cos(angle) : std::sin(angle);
      } else {
        const double angle = double(p) / slower[size_t(i)];
        table[i] = float(cosine ? std::cos(angle) : std::sin(angle));
      }
    }
  }
}

// Such a table needs no tensor: without a limit, a few bytes of config.json would ask for all memory. Real ones take a
// few MiB.
static void check_waves(const Shape& table) {
  constexpr int64_t kMaxBytes = 256 << 20;
  if (table.count() <= kMaxBytes / 4) return;
  fail(ErrorKind::kFile, "\"max_position_embeddings\" is ", table[0], ": sines and cosines of width ", table[1],
       " for them take ", table.count() >> 18, " MiB; expected at most ", kMaxBytes >> 20);
}

EmbedWeights load_embed(Loader& load, const EmbedSpec& spec, int64_t stack_width) {
  EmbedWeights weights;
  const int64_t width = spec.width ? spec.width : stack_width;
  weights.tokens = load.tokens(spec.vocab, width);
  if (spec.segments) weights.segments = load.table("embed.segments", {spec.segments, width});
  if (spec.target) weights.target = load.table("embed.target", {1, 1, width});
  if (spec.languages) weights.languages = load.table("embed.languages", {spec.languages, width});
  if (spec.positions) {
    const int64_t own_width = spec.project == Project::kBeforePositions ? stack_width : width;
    const Shape shape{spec.positions->count, own_width};
    const Waves waves = spec.positions->waves;
    const bool own = waves == Waves::kNone || (waves != Waves::kSteps && load.has("embed.positions", 0));
    if (!own) check_waves(shape);
    weights.positions = own ? load.table("embed.positions", shape) : load.blank(shape);
    if (!own && weights.positions) fill_waves(*spec.positions, own_width, weights.positions.as<float>());
  }
  if (spec.project != Project::kNone)
    weights.project = load.linear({{"embed.project", stack_width}}, 0, width, spec.project_bias);
  const bool narrow = spec.project == Project::kNone || spec.project == Project::kAfterNorm;
  if (spec.norm) weights.norm = load.norm("embed.norm", 0, narrow ? width : stack_width, spec.norm->bias);
  return weights;
}

void count_positions(const EmbedSpec& spec, std::span<const int32_t> ids, int64_t length, int64_t past,
                     int32_t* positions) {
  const LearnedPositions learned = spec.positions.value_or(LearnedPositions{.count = 0});
  int64_t next = learned.first + past;
  for (int64_t i = 0; i < length; ++i) {
    const bool padding = learned.padding_id && !ids.empty() && ids[size_t(i)] == *learned.padding_id;
    positions[i] = int32_t(padding ? *learned.padding_id : next++);
  }
}

static void fill_positions(const EmbedSpec& spec, const Batch& batch, const int64_t* past, int32_t* positions) {
  if (batch.position_ids) {
    std::memcpy(positions, batch.position_ids.data, size_t(batch.tokens()) * sizeof(int32_t));
    return;
  }
  const int32_t* start = batch.cu_seqlens.as<int32_t>();
  const int32_t* ids = batch.ids.as<int32_t>();
  for (int64_t s = 0; s < batch.sequences(); ++s) {
    const int64_t length = start[s + 1] - start[s];
    count_positions(spec, ids ? std::span(ids + start[s], size_t(length)) : std::span<const int32_t>(), length,
                    past ? past[s] : 0, positions + start[s]);
  }
}

void embed_block(const EmbedSpec& spec, const EmbedWeights& weights, const Batch& batch, const int64_t* past,
                 Space& a) {
  fill_positions(spec, batch, past, a.position_ids.as<int32_t>());
  const bool projects = spec.project != Project::kNone, adds_later = spec.project == Project::kBeforePositions;
  const TensorView sum = slice(projects ? a.embedded : a.x, 0, batch.tokens());
  for (int64_t t = batch.tokens(); t < batch.rows(); ++t)
    std::memcpy(slice(a.x, t, t + 1).data, weights.target.data, size_t(a.x.shape[1]) * sizeof(float));
  const bool named = spec.languages && batch.language_ids;  // no family has languages and segments of their own table
  ops::embed({.tokens = weights.tokens.rows,
              .packed = weights.tokens.packed,
              .segments = named ? weights.languages : weights.segments,
              .positions = adds_later ? TensorView{} : weights.positions,
              .scale = spec.scale,
              .x_scale = spec.scales_given ? spec.scale : 1.0},
             batch.ids, batch.embeds, named ? batch.language_ids : batch.segment_ids, a.position_ids, sum);
  if (spec.segments_are_tokens && batch.segment_ids) {  // each row is added to what is there: its own "segment"
    std::vector<int32_t> rows(size_t(sum.shape[0]));
    std::iota(rows.begin(), rows.end(), 0);
    const TensorView own{rows.data(), DType::kI32, Device::kCpu, {sum.shape[0]}};
    ops::embed({.tokens = weights.tokens.rows, .packed = weights.tokens.packed, .segments = sum}, batch.segment_ids, {},
               own, {}, sum);
  }
  if (spec.project == Project::kAfterNorm) {
    norm_block(*spec.norm, weights.norm, sum, a.embedded_h, false);
    return ops::linear(a.embedded_h, weights.project.weight, weights.project.bias, Act::kNone, {}, a.x);
  }
  if (projects) {
    if (a.embedded_h.data != sum.data) ops::convert(sum, a.embedded_h);
    ops::linear(a.embedded_h, weights.project.weight, weights.project.bias, Act::kNone, {}, a.x);
  }
  if (adds_later && weights.positions)  // to x, which stands for the rows of tokens
    ops::embed({.tokens = weights.positions, .positions = weights.positions}, {}, a.x, {}, a.position_ids, a.x);
  if (spec.norm) norm_block(*spec.norm, weights.norm, a.x, a.h, true);
}

}  // namespace fastplm
