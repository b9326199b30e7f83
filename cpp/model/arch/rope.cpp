// Rotary positions as config.json describes them: rope_parameters, or rope_scaling and flat settings in older files.
// Source: transformers/modeling_rope_utils.py.
#include "model/arch/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/error.h"

namespace fastplm {
namespace {

constexpr double kMostFactor = 1e6;   // far above any real one; products of it stay finite

double positive(const Value& rope, const char* name) {
  const double value = rope.d(name);
  if (value > 0 && value <= kMostFactor) return value;
  fail(ErrorKind::kFile, "the rotary positions' \"", name, "\" is ", value, "; expected a number above 0, at most ",
       kMostFactor);
}
double positive(const Value& rope, const char* name, double fallback) {
  return rope.has(name) ? positive(rope, name) : fallback;
}

std::vector<float> frequencies_of(double theta, int64_t dims) {
  std::vector<float> frequencies;
  for (int64_t i = 0; i < (dims + 1) / 2; ++i) {
    frequencies.push_back(float(1.0 / std::pow(theta, double(2 * i) / double(dims))));
  }
  return frequencies;
}

std::vector<float> divided(std::vector<float> frequencies, const Value& rope, const char* name) {
  const Value::Array& factors = rope.at(name).array(name);
  if (factors.size() != frequencies.size()) {
    fail(ErrorKind::kFile, "the rotary positions' \"", name, "\" has ", factors.size(), " factors; expected ",
         frequencies.size(), ", one for each pair of rotated values");
  }
  for (size_t i = 0; i < factors.size(); ++i) {
    const double factor = factors[i].number(name);
    if (!(factor > 0)) fail(ErrorKind::kFile, "\"", name, "\" holds ", factor, "; expected numbers above 0");
    frequencies[i] /= float(factor);
  }
  return frequencies;
}

// Waves longer than the original length turn `factor` times as slowly, short ones as ever; in between, in between.
void llama3(std::vector<float>& frequencies, const Value& rope, double original) {
  const double factor = positive(rope, "factor");
  const double low = positive(rope, "low_freq_factor"), high = positive(rope, "high_freq_factor");
  if (high <= low) {
    fail(ErrorKind::kFile, "the rotary positions' \"high_freq_factor\" is ", high, "; expected more than ", low,
         ", their \"low_freq_factor\"");
  }
  for (float& frequency : frequencies) {
    const double turns = original * frequency / (2 * std::numbers::pi);
    const double share = std::clamp((turns - low) / (high - low), 0.0, 1.0);   // of the frequency as it is
    frequency = float((1 - share) * frequency / factor + share * frequency);
  }
}

// The same by the number of turns within the original length, on a ramp over the pairs. arXiv:2309.00071.
void yarn(std::vector<float>& frequencies, const Value& rope, double theta, int64_t dims, double factor,
          double original) {
  if (theta == 1) fail(ErrorKind::kFile, "the rotary positions' theta is 1; type \"yarn\" needs another");
  const double fast = positive(rope, "beta_fast", 32), slow = positive(rope, "beta_slow", 1);
  const auto pair_of = [&](double turns) {
    return double(dims) * std::log(original / (turns * 2 * std::numbers::pi)) / (2 * std::log(theta));
  };
  double low = pair_of(fast), high = pair_of(slow);
  if (rope.b("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, double(dims - 1));
  if (low == high) high += 0.001;   // as in the source
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double slower = std::clamp((double(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = float(frequencies[i] / factor * slower + frequencies[i] * (1 - slower));
  }
}

double yarn_factor(const Value& rope, double factor) {
  if (rope.has("attention_factor")) return positive(rope, "attention_factor");
  const auto scale = [&](double by) { return factor <= 1 ? 1.0 : 0.1 * by * std::log(factor) + 1.0; };
  const double own = rope.d("mscale", 0), all = rope.d("mscale_all_dim", 0);
  return own != 0 && all != 0 ? scale(own) / scale(all) : scale(1);
}

double long_factor(const Value& rope, double factor, double original) {
  if (rope.has("attention_factor")) return positive(rope, "attention_factor");
  if (original == 1) fail(ErrorKind::kFile, "longrope's original length is 1 token; expected more");
  return factor <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(original));
}

// An object that says something, or null.
const Value* object_of(const Value& c, const char* name) {
  const Value* found = c.find(name);
  return found && !found->object(name).empty() ? found : nullptr;
}

const Value* parameters_of(const Value& c, const RopeSettings& settings) {
  const Value *scaling = object_of(c, "rope_scaling"), *parameters = object_of(c, "rope_parameters");
  if (!settings.layers) return scaling ? scaling : parameters;
  if (parameters && !parameters->has("full_attention") && !parameters->has("sliding_attention")) {
    fail(ErrorKind::kFile,
         "\"rope_parameters\" has neither full_attention nor sliding_attention; expected those of each");
  }
  const Value* own = parameters ? parameters->find(settings.layers) : nullptr;
  if (!settings.scaled || !scaling) return own;
  if (own) fail(ErrorKind::kUnsupported, "\"rope_scaling\" is set beside \"rope_parameters\"; expected one of the two");
  return scaling;
}

}  // namespace

Rope rope_of(const Value& c, const RopeSettings& settings) {
  static const Value kNothing{Value::Object{}};
  const Value* found = parameters_of(c, settings);
  const Value& rope = found ? *found : kNothing;
  std::string type = rope.s("rope_type", rope.s("type", "default"));
  for (const char* older : settings.long_names) {
    if (older && type == older) type = "longrope";
  }
  const double theta = rope.d("rope_theta", c.d(settings.theta_name, settings.theta));
  if (!(theta > 0 && std::isfinite(theta))) {
    fail(ErrorKind::kFile, "the rotary positions' theta is ", theta, "; expected a number above 0");
  }
  double part = settings.part;
  if (settings.part_name) part = c.d(settings.part_name, part);
  part = rope.d("partial_rotary_factor", part);
  if (!settings.part_name && type == "default") part = 1;   // the family does not read it then
  if (!settings.part_name && part != 1) {
    fail(ErrorKind::kUnsupported, "\"partial_rotary_factor\" is ", part, "; this family rotates whole heads");
  }
  const int64_t dims = int64_t(double(settings.head_dim) * part);
  if (!(part > 0 && part <= 1) || dims < 1 || (dims == settings.head_dim && dims % 2)) {
    fail(ErrorKind::kFile, "rotary positions turn ", dims, " of ", settings.head_dim,
         " values of a head; expected an even number, at least 2");
  }
  Rope out{frequencies_of(theta, dims)};
  if (type == "default") return out;
  if (type == "linear") {
    const double factor = positive(rope, "factor");
    for (float& frequency : out.frequencies) frequency = float(frequency / factor);
    return out;
  }
  const int64_t most = c.i_in("max_position_embeddings", settings.positions, 1, kMaxSize);
  if (type == "dynamic") {
    if (dims <= 2) fail(ErrorKind::kFile, "dynamic rotary positions turn ", dims, " values; expected more than 2");
    out.longer = Rope::Longer{.past = most, .frequencies = {}, .theta = theta, .factor = positive(rope, "factor")};
    return out;
  }
  int64_t original = rope.i_in("original_max_position_embeddings", most, 1, kMaxSize);
  if (settings.original_name) original = c.i_in(settings.original_name, settings.positions, 1, kMaxSize);
  const double by_length = double(most) / double(original);
  if (type == "llama3") {
    llama3(out.frequencies, rope, double(original));
  } else if (type == "yarn") {
    const double factor = positive(rope, "factor", by_length);
    yarn(out.frequencies, rope, theta, dims, factor, double(original));
    out.factor = yarn_factor(rope, factor);
  } else if (type == "longrope") {
    const std::vector<float> plain = out.frequencies;
    out.frequencies = divided(plain, rope, "short_factor");
    out.longer = Rope::Longer{.past = original, .frequencies = divided(plain, rope, "long_factor")};
    out.factor = long_factor(rope, positive(rope, "factor", by_length), double(original));
  } else {
    fail(ErrorKind::kUnsupported, "\"rope_type\" is \"", type,
         "\"; known: default linear dynamic yarn longrope llama3");
  }
  return out;
}

}  // namespace fastplm
