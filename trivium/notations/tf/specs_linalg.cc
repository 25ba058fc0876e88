// Decompositions of matrices, written as engine ops a column at a time: they cost one node or so a
// column and have derivatives like everything else.
#include <algorithm>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {
namespace {

constexpr int64_t kMostColumns = 1024;  // a plan has about twelve steps a column

/// Householder's reflections: A = Q R, with the signs LAPACK gives R.
void householder(Translate& c, bool full) {
  Value r = c.in(0);
  const int64_t rows = r.shape()[0], columns = r.shape()[1], n = std::min(rows, columns);
  if (n > kMostColumns)
    c.fail(fmt::format("qr: {} columns; at most {} are taken", n, kMostColumns));
  trivium::Graph& g = c.graph();
  Array one({rows, rows}, r.dtype());
  for (int64_t i = 0; i < rows * rows; ++i) one.set(i, i % (rows + 1) == 0 ? 1 : 0);
  Value q = g.constant(one);
  for (int64_t k = 0; k < n; ++k) {
    if (k + 1 == rows) break;  // one number is triangular already
    const Value x = ops::slice(r, {k, k}, {rows, k + 1});
    const Value head = ops::slice(x, {0, 0}, {1, 1});
    const Value length = ops::sqrt(ops::sum(ops::square(x), {0, 1}, true));
    const Value positive = ops::greater_equal(head, g.constant(0.0, r.dtype()));
    const Value moved = head + ops::select(positive, length, ops::neg(length));
    Value v = ops::concat({moved, ops::slice(x, {1, 0}, {rows - k, 1})}, 0);
    const Value size = ops::sum(ops::square(v), {0, 1}, true);
    const Value zero = ops::equal(size, g.constant(0.0, r.dtype()));  // nothing to reflect
    v = ops::pad(v, {k, 0}, {0, 0});
    const Value factor =
        ops::select(zero, g.constant(0.0, r.dtype(), {1, 1}),
                    ops::rdiv(2.0, ops::select(zero, g.constant(1.0, r.dtype(), {1, 1}), size)));
    r = r - ops::matmul(v * factor, ops::matmul(v, r, true));
    q = q - ops::matmul(ops::matmul(q, v), v * factor, false, true);
  }
  Array above({rows, columns}, DType::bool_);
  for (int64_t i = 0; i < rows * columns; ++i) above.set(i, i % columns >= i / columns ? 1 : 0);
  r = ops::select(g.constant(above), r, g.constant(0.0, r.dtype(), r.shape()));
  c.out(0, full ? q : ops::slice(q, {0, 0}, {rows, n}));
  c.out(1, full ? r : ops::slice(r, {0, 0}, {n, columns}));
}

}  // namespace

void define_linalg_ops(SpecTable& t) {
  t.add({"Qr",
         {"input"},
         [](Infer& c) {
           c.floating(0);
           c.rank(0, 2);
           const bool full = c.op().attr_or<bool>("full_matrices", false);
           const int64_t rows = c.shape(0).known_rank() ? c.shape(0)[0] : -1;
           const int64_t columns = c.shape(0).known_rank() ? c.shape(0)[1] : -1;
           const int64_t n = rows < 0 || columns < 0 ? -1 : std::min(rows, columns);
           c.output(PartialShape{rows, full ? rows : n}, c.dtype(0));
           c.output(PartialShape{full ? rows : n, columns}, c.dtype(0));
         },
         [](Translate& c) { householder(c, c.op().attr_or<bool>("full_matrices", false)); }});
}

}  // namespace trivium::tf
