// The keys and values that a decoder has computed, so that later tokens need not compute them again.
//
// They lie in pages of kPageRows tokens, which hold all layers. Sequences that begin alike share pages; one that
// is written while it is shared is copied first. Values of unwritten rows are zero.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/buffer.h"
#include "core/export.h"
#include "model/spec.h"
#include "ops/keys.h"
#include "ops/sequences.h"

namespace fastplm {

// Of one kind of attention: the self-attention of a stack's layers, or the attention to the encoder.
class FASTPLM_EXPORT KeyStore {
 public:
  // rounded: pages hold int8 codes, see ops::HeadPages.
  KeyStore(const StackSpec& spec, Source source, DType dtype, bool rounded = false);

  int64_t sequences() const { return int64_t(rows_.size()); }
  int64_t length(int64_t s) const { return int64_t(rows_[size_t(s)].columns.size()); }
  int64_t bytes() const;   // of all pages, shared ones once

  // The column of the padded row that each token came from.
  const std::vector<int32_t>& columns(int64_t s) const { return rows_[size_t(s)].columns; }

  void resize(int64_t sequences) { rows_.resize(size_t(sequences)); }
  // Makes room for tokens behind those of sequence s; they are written by write().
  void extend(int64_t s, const std::vector<int32_t>& columns);
  // Keeps the first `length` tokens.
  void crop(int64_t s, int64_t length);
  // Sequence s becomes the first `length` tokens of another store's sequence; they share pages.
  void share(int64_t s, const KeyStore& from, int64_t row, int64_t length);
  // Sequence i becomes what sequence order[i] was.
  void reorder(const std::vector<int64_t>& order);

  // The last length rows of each sequence [first, first + rows.count): `k`, `v` as ops::write_keys has them, by token.
  void write(int64_t layer, int64_t first, const Sequences& rows, const void* k, const void* v, int64_t ld);
  void update_tables();   // before keys(), after any change
  // Pages of the sequences from `first` on, for ops::attention.
  ops::PagedKeys keys(int64_t layer, int64_t first) const;

 private:
  struct Row {
    std::vector<std::shared_ptr<Buffer>> pages;
    std::vector<std::byte*> data;   // of the pages
    std::vector<int32_t> columns;   // of the tokens
  };
  struct Layer {
    ops::HeadPages head;
    int64_t heads = 0, offset = 0;   // heads: 0, and the layer has no such attention
  };
  std::shared_ptr<Buffer> new_page(const Buffer* copy) const;
  void own_last_page(Row& row);

  std::vector<Layer> layers_;
  int64_t page_bytes_ = 0;
  std::vector<Row> rows_;
  std::vector<std::byte* const*> tables_;   // of rows_, for keys()
};

struct FASTPLM_EXPORT Cache {
  Cache(const StackSpec& spec, DType dtype, bool rounded, uint64_t model);
  Cache(const Cache& other);   // shares the pages

  uint64_t model;           // Model::id() of the one whose keys these are
  KeyStore own, encoder;    // encoder: filled by the first forward pass
  int64_t columns = 0;      // of the padded rows so far, hidden ones included
  std::atomic<bool> busy{false};   // in a forward pass

  void crop(int64_t columns);   // keeps the first
  void reorder(const std::vector<int64_t>& rows);
};

}  // namespace fastplm
