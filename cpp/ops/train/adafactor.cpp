#include "ops/train/adafactor.h"

#include <cmath>
#include <vector>

#include "kernels/train.h"
#include "ops/check.h"
#include "ops/dispatch.h"
#include "ops/train/rows.h"

namespace fastplm::ops {
namespace {

constexpr int64_t kPiece = 64 << 10;   // values of one piece of work

// A parameter as matrices one after the other, each in blocks of rows; a vector as pieces of one row.
struct Matrices {
  int64_t values, rows, columns;   // the last piece of a vector may be shorter
  RowBlocks cut;
  int64_t count;

  explicit Matrices(const Shape& shape)
      : values(shape.count()),
        rows(shape.rank > 1 ? shape.dims[size_t(shape.rank - 2)] : 1),
        columns(shape.rank > 1 ? shape.last() : std::min(values, kPiece)),
        cut{rows},
        count(values ? (values + rows * columns - 1) / (rows * columns) : 0) {}

  int64_t blocks() const { return count * cut.count(); }
  int64_t at(int64_t matrix) const { return matrix * rows * columns; }
  int64_t columns_of(int64_t matrix) const { return std::min(columns, values - at(matrix)); }
  Range rows_of(int64_t block) const {
    const int64_t begin = block % cut.count() * cut.size();
    return {begin, std::min(rows, begin + cut.size())};
  }
  int64_t bytes() const {  // a sum of squares for each block, a mean for each matrix, sums of columns for each block
    const int64_t bytes = blocks() * int64_t(sizeof(double)) + (count + blocks() * columns) * int64_t(sizeof(float));
    return (bytes + 7) / 8 * 8;
  }
};

template <class T>
class Update {
  const Matrices m_;
  const FactoredState& t_;
  const Adafactor& o_;
  AdafactorArgs<T> common_;
  double* const sums_;
  float *const means_, *const columns_;
  const TrainKernels<T>& kernels_ = train_kernels<T>();

  AdafactorArgs<T> args(int64_t matrix) const {
    AdafactorArgs<T> a = common_;
    a.param = t_.param.as<T>() + m_.at(matrix);
    a.grad = t_.grad.as<T>() + m_.at(matrix);
    a.row_var = t_.row_var ? t_.row_var.as<T>() + matrix * m_.rows : nullptr;
    a.col_var = t_.col_var.as<T>() + matrix * m_.columns;
    a.columns = m_.columns_of(matrix);
    a.mean_square = means_[matrix];
    return a;
  }

  template <class Body>
  void each_block(const Body& body) const {
    parallel_for(m_.blocks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) body(b, args(b / m_.cut.count()), m_.rows_of(b));
    });
  }
  double root_mean_square() const {
    double total = 0;
    for (int64_t b = 0; b < m_.blocks(); ++b) total += sums_[b];
    return std::sqrt(total / double(m_.values));
  }

 public:
  Update(const FactoredState& t, const Adafactor& o, std::byte* workspace)
      : m_(t.param.shape),
        t_(t),
        o_(o),
        common_{},
        sums_(reinterpret_cast<double*>(workspace)),
        means_(reinterpret_cast<float*>(sums_ + m_.blocks())),
        columns_(means_ + m_.count) {
    std::fill_n(means_, m_.count, 1.0f);
    const double rest2 = std::pow(double(t.step), o.beta2_decay);
    common_.least = float(o.eps1 * o.eps1);
    common_.beta2 = float(1 - rest2);
    common_.rest2 = float(rest2);
    common_.decay = float(1 - o.lr * o.weight_decay);
  }

  void run() {
    each_block([&](int64_t b, const AdafactorArgs<T>& a, Range rows) {
      sums_[b] = kernels_.sum_squares(a.param + rows.begin * a.columns, rows.size() * a.columns);
      kernels_.adafactor_squares(a, rows, columns_ + b * m_.columns);
    });
    const double size = std::max(o_.eps2, root_mean_square());
    parallel_for(m_.count, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const AdafactorArgs<T> a = args(i);
        const float* sums = columns_ + i * m_.cut.count() * m_.columns;
        means_[i] = std::max(float(o_.eps1), kernels_.adafactor_columns(a, sums, m_.cut.count(), m_.rows));
      }
    });
    each_block([&](int64_t b, const AdafactorArgs<T>& a, Range rows) { sums_[b] = kernels_.adafactor_norm(a, rows); });
    const double rate = size * std::min(o_.lr, 1 / std::sqrt(double(t_.step)));
    common_.step_size = float(rate / std::max(1.0, root_mean_square() / o_.clip)) * (o_.maximize ? -1.0f : 1.0f);
    each_block([&](int64_t, const AdafactorArgs<T>& a, Range rows) { kernels_.adafactor(a, rows); });
  }
};

}  // namespace

int64_t adafactor_workspace(std::span<const TensorView> params) {
  int64_t bytes = 0;
  for (const TensorView& p : params) bytes += Matrices(p.shape).bytes();
  return bytes;
}

void adafactor(std::span<const FactoredState> tensors, const Adafactor& o, TensorView workspace) {
  const Check check{"adafactor"};
  int64_t bytes = 0;
  std::vector<int64_t> at, small, large;  // small: one thread takes the whole of it
  for (const FactoredState& t : tensors) {
    with_float_type("adafactor", t.param.dtype, []<class T>() {});
    check.matches("grad", t.grad, t.param.dtype, t.param.shape);
    Shape rows = t.param.shape, columns = t.param.shape;
    if (rows.rank > 1) {
      rows.dims[size_t(rows.rank - 1)] = 1;
      columns.dims[size_t(columns.rank - 2)] = 1;
      check.matches("row_var", t.row_var, t.param.dtype, rows);
    }
    check.matches(rows.rank > 1 ? "col_var" : "variance", t.col_var, t.param.dtype, columns);
    check.positive("step", double(t.step));
    const int64_t values = t.param.shape.count();
    if (values) (values <= kPiece ? small : large).push_back(&t - tensors.data());
    at.push_back(bytes);
    bytes += Matrices(t.param.shape).bytes();
  }
  check.at_least("workspace", workspace, bytes);
  const auto update = [&](int64_t i) {
    const FactoredState& t = tensors[size_t(i)];
    with_float_type("adafactor", t.param.dtype,
                    [&]<class T>() { Update<T>(t, o, workspace.as<std::byte>() + at[size_t(i)]).run(); });
  };
  parallel_for(int64_t(small.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) update(small[size_t(i)]);
  });
  for (const int64_t i : large) update(i);
}

}  // namespace fastplm::ops
