#include "ops/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/buffer.h"
#include "core/parallel.h"
#include "kernels/kernels.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/linear.h"
#include "ops/rows.h"

namespace fastplm::ops {

// Keys of a sequence in one page: a whole number of panels.
static int64_t page_rows(DType dtype, int64_t length) {
  int64_t rows = 0;
  with_float_type("attention", dtype, [&]<class T>() {
    const int64_t panel = kernels().of<T>().key_panel;
    rows = (length + panel - 1) / panel * panel;
  });
  return rows;
}

static int64_t scratch_bytes(DType dtype, int64_t head_dim, int64_t longest, int64_t positions) {
  int64_t bytes = 0;
  with_float_type("attention", dtype,
                  [&]<class T>() { bytes = kernels().of<T>().attention_workspace(head_dim, longest, positions); });
  return (bytes + kAlign - 1) / kAlign * kAlign;
}

// Rows of a rounded page that have been widened: keys, then values.
static int64_t widened_bytes(DType dtype, int64_t head_dim) {
  return (2 * kPageRows * head_dim * size_of(dtype) + kAlign - 1) / kAlign * kAlign;
}

int64_t attention_workspace(DType dtype, int64_t head_dim, int64_t longest, int64_t positions) {
  const HeadPages page{dtype, head_dim, page_rows(dtype, longest)};
  const int64_t scratch = scratch_bytes(dtype, head_dim, longest, positions);
  return page.bytes() + std::max(scratch, widened_bytes(dtype, head_dim));
}

// Every distance between a query and a key of its sequence must have its place in `what`.
static void check_reach(const char* what, const AttentionOptions& o, const Sequences& queries, const Sequences& keys,
                        int64_t reach) {
  const int32_t *index = o.index.as<int32_t>(), *at = o.at.as<int32_t>();
  for (int64_t s = 0; s < keys.count; ++s) {
    if (keys.length(s) == 0) continue;
    const int64_t first = keys.start[s], last = keys.start[s + 1] - 1;
    const int64_t begin = index ? index[first] : 0, end = index ? index[last] : last - first;
    int64_t distance = end - begin;
    if (at && queries.length(s)) distance = std::max(end - at[queries.start[s]], at[queries.start[s + 1] - 1] - begin);
    if (distance < reach) continue;
    fail(ErrorKind::kValue, "attention: sequence ", s, " spans a distance of ", distance, "; ", what, " reaches ",
         reach - 1);
  }
}

static void check_positions(const AttentionOptions& o, const Sequences& queries, const Sequences& keys) {
  const Check check{"attention"};
  const RelativePositions& r = o.relative;
  check.rank("place", r.place, 1);
  check.dtype("place", r.place, DType::kI32);
  if (r.bias) check.matches("bias", r.bias, DType::kF32, {o.heads, r.count});
  if (o.kv_heads != o.heads) {
    fail(ErrorKind::kValue, "attention: ", o.heads, " heads over ", o.kv_heads,
         " key heads; relative positions need as many");
  }
  const int32_t* place = r.place.as<int32_t>();
  const int64_t width = r.place.shape[0];
  if (r.backward) {
    check.matches("backward", r.backward, DType::kU8, {queries.count});
    check.matches("mirrored", r.mirrored, DType::kI32, r.place.shape);
    for (int64_t i = 0; i < width; ++i) {
      if (r.mirrored.as<int32_t>()[i] == place[width - 1 - i]) continue;
      fail(ErrorKind::kValue, "attention: mirrored holds ", r.mirrored.as<int32_t>()[i], " at ", i,
           "; expected place from its end");
    }
  }
  for (int64_t i = 0; i < width; ++i) {
    if (place[i] >= (i ? place[i - 1] : 0) && place[i] < r.count) continue;
    fail(ErrorKind::kValue, "attention: place holds ", place[i], " at ", i, "; expected 0 to ", r.count - 1,
         ", not decreasing");
  }
  check_reach("place", o, queries, keys, (width + 1) / 2);
}

static void check_other(const AttentionOptions& o, const Sequences& queries, const Sequences& keys) {
  const Check check{"attention"};
  check.matches("other key", o.other.key, DType::kF32, {o.heads, o.head_dim});
  check.matches("other bias", o.other.bias, DType::kF32, {o.heads});
  check.matches("segments of queries", o.other.of_queries, DType::kI32, {queries.tokens()});
  check.matches("segments of keys", o.other.of_keys, DType::kI32, {keys.tokens()});
  if (o.kv_heads != o.heads)
    fail(ErrorKind::kValue, "attention: ", o.heads, " heads over ", o.kv_heads, " key heads; segments need as many");
}

static void check_at(const AttentionOptions& o, const Sequences& queries) {
  const Check check{"attention"};
  check.matches("at", o.at, DType::kI32, {queries.tokens()});
  const int32_t* at = o.at.as<int32_t>();
  for (int64_t s = 0; s < queries.count; ++s) {
    for (int64_t i = queries.start[s] + 1; i < queries.start[s + 1]; ++i) {
      if (at[i] > at[i - 1]) continue;
      fail(ErrorKind::kValue, "attention: at holds ", at[i], " behind ", at[i - 1], "; expected increasing places");
    }
  }
}

namespace {

// One call's arguments, checked; run() computes some query heads of one sequence that share a key head.
template <class T>
struct Call {
  const AttentionOptions& o;
  Rows q, out;
  const Sequences& queries;
  const Keys& keys;
  float* weights;
  int64_t reach;
  int64_t head_positions = 0;   // values of one head's packed position keys

  int64_t group() const { return o.heads / o.kv_heads; }

  const int32_t* place_of(int64_t s) const {   // of distance 0
    const RelativePositions& r = o.relative;
    const TensorView& place = r.backward && r.backward.as<uint8_t>()[s] ? r.mirrored : r.place;
    return place.as<int32_t>() + place.shape[0] / 2;
  }

  // The panels of rounded pages, a page at a time; rows: of one page's keys and of its values.
  void widen(int64_t s, int64_t kv_head, int64_t length, const KeyPages<T>& to, T* rows) const {
    const HeadPages& head = keys.pages->head;
    T *k = rows, *v = rows + head.rows * o.head_dim;
    for (int64_t r = 0; r < length; r += head.rows) {
      const int64_t n = std::min(head.rows, length - r);
      const RoundedPage page(head, keys.pages->pages[s][r / head.rows] + keys.pages->offset + kv_head * head.bytes());
      kernels().of<T>().codes_to_rows(
          {.x = k, .ld = o.head_dim, .count = n, .dim = o.head_dim, .codes = page.k, .scales = page.k_scales});
      kernels().of<T>().codes_to_rows(
          {.x = v, .ld = o.head_dim, .count = n, .dim = o.head_dim, .codes = page.v, .scales = page.v_scales});
      kernels().of<T>().write_keys({.k = k, .v = v, .ld = o.head_dim, .count = n, .at = r, .last = true, .to = to});
    }
  }

  void run(int64_t s, int64_t kv_head, std::byte* memory) const {
    const int64_t count = queries.length(s), length = keys.sequences.length(s);
    const int64_t first = queries.start[s], first_key = keys.sequences.start[s];
    constexpr int64_t kSize = int64_t(sizeof(T));
    KeyPages<T> pages{.head_dim = o.head_dim};
    T* own = nullptr;
    std::byte* scratch = memory;
    if (keys.pages && !keys.pages->head.rounded) {
      const HeadPages& head = keys.pages->head;
      const int64_t at = keys.pages->offset + kv_head * head.bytes();
      pages.pages = reinterpret_cast<T* const*>(keys.pages->pages[s]);
      pages.rows = head.rows;
      pages.keys_at = at / kSize;
      pages.values_at = (at + head.key_bytes()) / kSize;
    } else {
      const HeadPages head{o.dtype, o.head_dim, page_rows(o.dtype, length)};
      own = reinterpret_cast<T*>(memory);
      pages.pages = &own;
      pages.rows = head.rows;
      pages.keys_at = 0;
      pages.values_at = head.key_bytes() / kSize;
      scratch += head.bytes();
      if (keys.pages) {
        widen(s, kv_head, length, pages, reinterpret_cast<T*>(scratch));
      } else {
        kernels().of<T>().write_keys(
            {.k = static_cast<const T*>(keys.k.data) + first_key * keys.k.ld + kv_head * o.head_dim,
             .v = static_cast<const T*>(keys.v.data) + first_key * keys.v.ld + kv_head * o.head_dim,
             .ld = keys.k.ld,
             .count = length,
             .at = 0,
             .last = true,
             .to = pages});
      }
    }
    float* here = weights;
    for (int64_t i = 0; here && i < s; ++i) here += o.heads * queries.length(i) * keys.sequences.length(i);
    const auto attend = [&](int64_t head, int64_t heads, int64_t tokens, int64_t ldq, int64_t ldo, int64_t step) {
      kernels().of<T>().attention(
          {.q = static_cast<const T*>(q.data) + first * q.ld + head * o.head_dim,
           .ldq = ldq,
           .count = heads * tokens,
           .keys = pages,
           .length = length,
           .first = length - count,
           .step = step,
           .scale = float(o.scale),
           .softcap = float(o.softcap),
           .back = o.back,
           .ahead = o.ahead,
           .distance_bias =
               o.distance_bias ? o.distance_bias.as<float>() + head * (2 * reach - 1) + reach - 1 : nullptr,
           .bias_step = step ? 0 : 2 * reach - 1,
           .place = o.relative.count ? place_of(s) : nullptr,
           .position_keys = o.relative.keys ? static_cast<const T*>(o.relative.keys) + head * head_positions : nullptr,
           .position_queries =
               o.relative.queries.data ? static_cast<const T*>(o.relative.queries.data) + head * o.head_dim : nullptr,
           .position_bias = o.relative.bias ? o.relative.bias.as<float>() + head * o.relative.count : nullptr,
           .positions = o.relative.count,
           .position_ld = o.relative.queries.ld,
           .other = o.other.key ? o.other.key.as<float>() + head * o.head_dim : nullptr,
           .other_bias = o.other.key ? o.other.bias.as<float>()[head] : 0.0f,
           .segments = o.other.key ? o.other.of_queries.as<int32_t>() + first : nullptr,
           .key_segments = o.other.key ? o.other.of_keys.as<int32_t>() + first_key : nullptr,
           .index = o.index ? o.index.as<int32_t>() + first_key : nullptr,
           .at = o.at ? o.at.as<int32_t>() + first : nullptr,
           .mask = o.mask ? o.mask.as<uint8_t>() + first * o.mask.shape[1] : nullptr,
           .mask_ld = step && o.mask ? o.mask.shape[1] : 0,
           .out = static_cast<T*>(out.data) + first * out.ld + head * o.head_dim,
           .ldo = ldo,
           .weights = here ? here + head * count * length : nullptr,
           .weights_ld = length,
           .workspace = scratch});
    };
    const int64_t head = kv_head * group();
    if (count == 1) return attend(head, group(), 1, o.head_dim, o.head_dim, 0);   // all heads of one token at once
    for (int64_t h = head; h < head + group(); ++h) attend(h, 1, count, q.ld, out.ld, 1);
  }
};

}  // namespace

void attention(Rows q, const Sequences& queries, const Keys& keys, const AttentionOptions& o, Rows out, float* weights,
               TensorView workspace) {
  const Check check{"attention"};
  check.positive("scale", o.scale);
  if (o.kv_heads < 1 || o.heads % o.kv_heads) {
    fail(ErrorKind::kValue, "attention: ", o.heads, " heads over ", o.kv_heads,
         " key heads; expected the same number for each");
  }
  if (keys.sequences.count != queries.count) {
    fail(ErrorKind::kValue, "attention: ", queries.count, " sequences of queries, ", keys.sequences.count,
         " of keys; expected the same");
  }
  const int64_t longest = keys.sequences.longest;
  if (o.mask) {
    check.dtype("mask", o.mask, DType::kU8);
    if (o.mask.shape.rank != 2 || o.mask.shape[0] != queries.tokens() || o.mask.shape[1] < longest) {
      fail(ErrorKind::kValue, "attention: mask has shape ", o.mask.shape, "; expected [", queries.tokens(), ", ",
           longest, " or more]");
    }
  }
  if (queries.tokens() == 0) return;
  const int64_t share = attention_workspace(o.dtype, o.head_dim, longest, o.relative.count);
  if (workspace.shape.count() < share) {
    fail(ErrorKind::kValue, "attention: workspace has ", workspace.shape.count(), " bytes; expected ", share,
         " or more");
  }
  const int64_t reach = o.distance_bias ? (o.distance_bias.shape[1] + 1) / 2 : 0;
  if (o.distance_bias) {
    check.matches("distance_bias", o.distance_bias, DType::kF32, {o.heads, 2 * reach - 1});
    check_reach("distance_bias", o, queries, keys.sequences, reach);
  }
  if (o.at) check_at(o, queries);
  if (o.relative.count) check_positions(o, queries, keys.sequences);
  if (o.other.key) check_other(o, queries, keys.sequences);

  with_float_type("attention", o.dtype, [&]<class T>() {
    Call<T> call{o, q, out, queries, keys, weights, reach};
    if (o.relative.keys)
      call.head_positions = packed_bytes(format_of(o.dtype), o.relative.count, o.head_dim) / int64_t(sizeof(T));
    // Each thread at work takes one share of the workspace, and then one (sequence, key head) after another.
    std::atomic<int64_t> next{0};
    const int64_t units = queries.count * o.kv_heads;
    const int64_t shares = std::min({workspace.shape.count() / share, int64_t(num_threads()), units});
    parallel_for(shares, 1, [&](int64_t begin, int64_t) {
      Stops stops;
      for (int64_t unit; (unit = next.fetch_add(1, std::memory_order_relaxed)) < units;) {
        const int64_t s = unit / o.kv_heads, count = queries.length(s);
        stops.before(2 * count * keys.sequences.length(s) * o.head_dim * (o.heads / o.kv_heads));
        if (count > 0) call.run(s, unit % o.kv_heads, workspace.as<std::byte>() + begin * share);
      }
    });
  });
}

void bucket_bias(TensorView table, int64_t max_distance, bool both_ways, TensorView distance_bias) {
  const Check check{"bucket_bias"};
  check.rank("table", table, 2);
  const int64_t heads = table.shape[1], buckets = both_ways ? table.shape[0] / 2 : table.shape[0];  // of one direction
  const int64_t exact = buckets / 2;
  const int64_t width = distance_bias.shape[1], reach = (width + 1) / 2;
  check.matches("distance_bias", distance_bias, DType::kF32, {heads, width});
  if (exact < 1 || max_distance <= exact) {
    fail(ErrorKind::kValue, "bucket_bias: ", table.shape[0], " buckets, max_distance ", max_distance,
         "; expected at least ", both_ways ? 4 : 2, " buckets and a distance above ", exact);
  }
  const float log_range = float(std::log(double(max_distance) / double(exact)));
  for (int64_t distance = 0; distance < reach; ++distance) {
    int64_t bucket = distance;
    if (distance >= exact) {
      const float place = std::log(float(distance) / float(exact)) / log_range * float(buckets - exact);
      bucket = std::min(exact + int64_t(place), buckets - 1);
    }
    for (int64_t h = 0; h < heads; ++h) {
      float* row = distance_bias.as<float>() + h * width + reach - 1;
      row[-distance] = table.as<float>()[bucket * heads + h];
      const int64_t ahead = !both_ways ? 0 : distance > 0 ? bucket + buckets : bucket;
      row[distance] = table.as<float>()[ahead * heads + h];
    }
  }
}

void place_positions(int64_t count, int64_t buckets, int64_t max_distance, TensorView place) {
  const Check check{"place_positions"};
  check.rank("place", place, 1);
  check.dtype("place", place, DType::kI32);
  const int64_t reach = (place.shape[0] + 1) / 2, span = count / 2, exact = buckets / 2;
  if (count < 2 || count % 2 || (buckets && (exact < 1 || max_distance <= exact + 1))) {
    fail(ErrorKind::kValue, "place_positions: ", count, " positions, ", buckets, " buckets up to the distance ",
         max_distance, "; expected an even number and a distance above ", exact + 1);
  }
  const float log_range = std::log(float(double(max_distance - 1) / double(exact ? exact : 1)));
  for (int64_t distance = 0; distance < reach; ++distance) {
    int64_t steps = distance;
    if (buckets && distance > exact) {
      const float far = std::log(float(distance) / float(exact)) / log_range * float(exact - 1);
      steps = int64_t(std::ceil(far) + float(exact));
    }
    // The source's tables begin with the query farthest behind its key; here they end there.
    const auto row = [&](int64_t ahead) { return std::clamp<int64_t>(span - 1 + ahead, 0, count - 1); };
    place.as<int32_t>()[reach - 1 + distance] = int32_t(row(steps));
    place.as<int32_t>()[reach - 1 - distance] = int32_t(row(-steps));
  }
}

}  // namespace fastplm::ops
