#include "model/cache.h"

#include <algorithm>
#include <cstring>
#include <set>

#include "core/parallel.h"

namespace fastplm {

KeyStore::KeyStore(const StackSpec& spec, Source source, DType dtype, bool rounded) {
  for (int64_t n = 0; n < spec.layers(); ++n) {
    Layer layer;
    for (const Sublayer& sublayer : spec.layer(n)) {
      for (const Branch& branch : sublayer.branches) {
        const auto* attention = std::get_if<AttentionSpec>(&branch.op);
        if (!attention || attention->keys != source) continue;
        layer = {{dtype, attention->head_dim, ops::kPageRows, rounded}, attention->kv_heads, page_bytes_};
        page_bytes_ += layer.heads * layer.head.bytes();
      }
    }
    layers_.push_back(layer);
  }
}

std::shared_ptr<Buffer> KeyStore::new_page(const Buffer* copy) const {
  auto page = std::make_shared<Buffer>(page_bytes_);
  if (copy)
    std::memcpy(page->data(), copy->data(), size_t(page_bytes_));
  else
    std::memset(page->data(), 0, size_t(page_bytes_));
  return page;
}

int64_t KeyStore::bytes() const {
  std::set<const Buffer*> pages;
  for (const Row& row : rows_) {
    for (const auto& page : row.pages) pages.insert(page.get());
  }
  return int64_t(pages.size()) * page_bytes_;
}

// What is written while others share it is copied first.
void KeyStore::own_last_page(Row& row) {
  if (row.pages.back().use_count() == 1) return;
  row.pages.back() = new_page(row.pages.back().get());
  row.data.back() = row.pages.back()->data();
}

void KeyStore::extend(int64_t s, const std::vector<int32_t>& columns) {
  Row& row = rows_[size_t(s)];
  const int64_t before = length(s), after = before + int64_t(columns.size());
  if (columns.empty()) return;
  if (before % ops::kPageRows) own_last_page(row);
  // Where memory runs out, the row stays as it was.
  std::vector<std::shared_ptr<Buffer>> fresh;
  while (int64_t(row.pages.size() + fresh.size()) * ops::kPageRows < after) fresh.push_back(new_page(nullptr));
  row.data.reserve(row.data.size() + fresh.size());
  row.pages.reserve(row.pages.size() + fresh.size());
  row.columns.insert(row.columns.end(), columns.begin(), columns.end());
  for (auto& page : fresh) {
    row.data.push_back(page->data());
    row.pages.push_back(std::move(page));
  }
}

void KeyStore::crop(int64_t s, int64_t length) {
  Row& row = rows_[size_t(s)];
  if (length >= this->length(s)) return;
  row.columns.resize(size_t(length));
  const int64_t pages = (length + ops::kPageRows - 1) / ops::kPageRows, kept = length % ops::kPageRows;
  row.pages.resize(size_t(pages));
  row.data.resize(size_t(pages));
  if (kept == 0) return;
  own_last_page(row);
  // Attention reads values to a whole step behind the last row: what is left there may be NaN. Keys it does not read.
  for (const Layer& layer : layers_) {
    for (int64_t h = 0; h < layer.heads; ++h) {
      ops::clear_values(layer.head, row.data.back() + layer.offset + h * layer.head.bytes(), kept);
    }
  }
}

void KeyStore::share(int64_t s, const KeyStore& from, int64_t row, int64_t length) {
  rows_[size_t(s)] = from.rows_[size_t(row)];
  crop(s, length);
}

void KeyStore::reorder(const std::vector<int64_t>& order) {
  std::vector<Row> rows;
  for (int64_t from : order) rows.push_back(rows_[size_t(from)]);
  rows_ = std::move(rows);
}

void KeyStore::write(int64_t layer, int64_t first, const Sequences& rows, const void* k, const void* v, int64_t ld) {
  const Layer& l = layers_[size_t(layer)];
  const int64_t size = size_of(l.head.dtype);
  parallel_for(rows.count * l.heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t s = unit / l.heads, head = unit % l.heads, count = rows.length(s);
      const int64_t value = rows.start[s] * ld + head * l.head.head_dim;
      ops::write_keys(l.head, rows_[size_t(first + s)].data.data(), l.offset + head * l.head.bytes(),
                      length(first + s) - count, static_cast<const std::byte*>(k) + value * size,
                      static_cast<const std::byte*>(v) + value * size, ld, count);
    }
  });
}

void KeyStore::update_tables() {
  tables_.clear();
  for (const Row& row : rows_) tables_.push_back(row.data.data());
}

ops::PagedKeys KeyStore::keys(int64_t layer, int64_t first) const {
  const Layer& l = layers_[size_t(layer)];
  return {l.head, l.offset, tables_.data() + first};
}

Cache::Cache(const StackSpec& spec, DType dtype, bool rounded, uint64_t model)
    : model(model), own(spec, Source::kSelf, dtype, rounded), encoder(spec, Source::kEncoder, dtype, rounded) {}

Cache::Cache(const Cache& other) : model(other.model), own(other.own), encoder(other.encoder), columns(other.columns) {}

void Cache::reorder(const std::vector<int64_t>& rows) {
  for (int64_t row : rows) {
    if (row < 0 || row >= own.sequences()) {
      fail(ErrorKind::kValue, "cache: row ", row, "; expected 0 to ", own.sequences() - 1);
    }
  }
  own.reorder(rows);
  if (encoder.sequences()) encoder.reorder(rows);
  if (rows.empty()) crop(0);
}

void Cache::crop(int64_t count) {
  count = std::clamp<int64_t>(count, 0, columns);
  for (int64_t s = 0; s < own.sequences(); ++s) {
    const auto& kept = own.columns(s);
    own.crop(s, std::ranges::lower_bound(kept, int32_t(count)) - kept.begin());
  }
  columns = count;
  if (columns > 0) return;
  own.resize(0);   // empty: it may take other rows
  encoder.resize(0);
}

}  // namespace fastplm
