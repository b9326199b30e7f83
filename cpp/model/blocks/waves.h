// Keys of distances: each layer's matrix times the sines and cosines of a distance, made for as many distances as were
// asked for so far, unless they are very many. And what tells attention of other segments.
#pragma once
#include <memory>
#include <mutex>

#include "model/loader.h"
#include "ops/attention.h"

namespace fastplm {

// Slots: the matrix attention.wave_key; attention.content_bias, attention.wave_bias and attention.segment_bias
// [heads, head_dim], which are added to queries before they meet keys, waves and segments; attention.segments
// [2, heads, head_dim], of keys of the query's own segment and of another.
struct WaveWeights {   // of a layer
  LinearWeights key;
  TensorView query_bias;   // [inner + 2 inner] f32 of queries, keys and values: content_bias, so that the other two
  TensorView wave_bias;    // [heads, head_dim] f32: lack what it has already
  ops::OtherSegments other;  // without segments; the score of a query's own segment, which all keys share, taken off
};

// Empty where weights are only noted.
WaveWeights load_waves(Loader& load, const AttentionSpec& attention, int64_t width, int64_t layer);

// Of all layers of a stack.
class WaveTable {
 public:
  WaveTable(const RelativeWaves& spec, const AttentionSpec& attention, int64_t width)
      : furthest_(spec.furthest), heads_(attention.heads), head_dim_(attention.head_dim), width_(width) {}
  void add(const WaveWeights& layer) { layers_.push_back(layer); }

  struct View {
    Buffer memory;
    int64_t reach;  // distances -(reach - 1) to reach - 1 of key from query; those beyond count as these
    std::vector<ops::RelativePositions> layers;  // without `place`
  };
  // For distances below `reach`. Throws kValue for more than kReach.
  std::shared_ptr<const View> of(int64_t reach) const;
  // Bounds the memory: 6 GiB for XLNet-large in f32, of 24 layers of width 1024.
  static constexpr int64_t kReach = 1 << 15;

 private:
  DType dtype() const;
  int64_t packed_bytes(int64_t reach) const;   // of the keys of one head
  int64_t layer_bytes(int64_t reach) const;
  std::shared_ptr<const View> make(int64_t reach) const;

  int64_t furthest_, heads_, head_dim_, width_;
  std::vector<WaveWeights> layers_;
  mutable std::mutex lock_;
  mutable std::shared_ptr<const View> view_;
};

// Fills place [2 reach - 1] for a table, and mirrored, if it is not empty.
void place_waves(const WaveTable::View& table, TensorView place, TensorView mirrored);

}  // namespace fastplm
