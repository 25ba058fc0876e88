// Matrix products and what is written with them.
#include <algorithm>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {

using record::Call;

namespace {

void require_rank(const Tensor& x, int rank, const char* op, const char* which) {
  if (x.shape().rank() != rank)
    user_error("{}: {} dims expected for the {} operand, shape {} received", op, rank, which,
               x.shape().text());
}

/// The product of integers: no kernel has it, so it is a sum of products.
Tensor integer_product(const Tensor& a, const Tensor& b) {
  const Tensor x = a.dtype() == DType::bool_ ? cast_to(a, DType::i64) : a,
               y = b.dtype() == DType::bool_ ? cast_to(b, DType::i64) : b;
  return cast_to((x.unsqueeze(-1) * y.unsqueeze(-3)).sum(-2), a.dtype());
}

/// a [.., m, k] b [.., k, n].
Tensor product(const Tensor& a, const Tensor& b) {
  static const Call* const c = plain_call("matmul");
  if (a.dtype() == b.dtype() && !is_floating(a.dtype())) return integer_product(a, b);
  return record::apply(c, {a, b});
}

void require_same(const Tensor& a, const Tensor& b, const char* op) {
  if (a.dtype() != b.dtype())
    user_error("{}: operands of one dtype expected, {} and {} received; convert one of them", op,
               a.meta()->text(), b.meta()->text());
}

void require_inner(const Tensor& a, const Tensor& b, int64_t ka, int64_t kb, const char* op) {
  if (ka != kb)
    user_error("{}: shapes {} and {} do not fit: {} columns and {} rows", op, a.shape().text(),
               b.shape().text(), ka, kb);
}

/// beta * input + alpha * product; a beta of 0 leaves the input out altogether.
Tensor blend(const Tensor& input, const Tensor& product, const Scalar& beta, const Scalar& alpha) {
  const Tensor scaled = alpha.real() == 1 ? product : product * alpha;
  if (beta.real() == 0) {
    const Shape shape = broadcast_shapes(input.shape(), scaled.shape());
    return broadcast(scaled, shape);
  }
  return (beta.real() == 1 ? input : input * beta) + scaled;
}

}  // namespace

Tensor Tensor::matmul(const Tensor& other) const {
  const int ra = shape().rank(), rb = other.shape().rank();
  if (ra == 0 || rb == 0)
    user_error("matmul: operands with dims expected, shapes {} and {} received", shape().text(),
               other.shape().text());
  require_same(*this, other, "matmul");
  require_inner(*this, other, shape()[-1], other.shape()[rb == 1 ? 0 : -2], "matmul");
  if (ra == 2 && rb == 2) return product(*this, other);
  if (ra == 1 && rb == 1) return dot(other);
  if (rb == 1) return product(*this, other.unsqueeze(1)).squeeze(-1);
  if (ra == 1) return product(unsqueeze(0), other).squeeze(-2);
  if (rb == 2) {  // one big product instead of a product a batch
    Shape to(shape().dims().first(ra - 1));
    to.push_back(other.shape()[1]);
    const Tensor rows = reshaped(*this, Shape{shape().count(0, ra - 1), shape()[-1]});
    return reshape_view(product(rows, other), to);
  }
  return product(*this, other);
}

Tensor Tensor::mm(const Tensor& other) const {
  require_rank(*this, 2, "mm", "first");
  require_rank(other, 2, "mm", "second");
  require_same(*this, other, "mm");
  require_inner(*this, other, shape()[1], other.shape()[0], "mm");
  return product(*this, other);
}

Tensor Tensor::mv(const Tensor& other) const {
  require_rank(*this, 2, "mv", "first");
  require_rank(other, 1, "mv", "second");
  return matmul(other);
}

Tensor Tensor::bmm(const Tensor& other) const {
  require_rank(*this, 3, "bmm", "first");
  require_rank(other, 3, "bmm", "second");
  require_same(*this, other, "bmm");
  if (shape()[0] != other.shape()[0])
    user_error("bmm: batches of equal size expected, shapes {} and {} received", shape().text(),
               other.shape().text());
  require_inner(*this, other, shape()[2], other.shape()[1], "bmm");
  return product(*this, other);
}

Tensor Tensor::dot(const Tensor& other) const {
  require_rank(*this, 1, "dot", "first");
  require_rank(other, 1, "dot", "second");
  require_same(*this, other, "dot");
  require_inner(*this, other, shape()[0], other.shape()[0], "dot");
  const Tensor y = product(unsqueeze(0), other.unsqueeze(1));
  return reshape_view(y, Shape{});
}

Tensor Tensor::outer(const Tensor& other) const {
  require_rank(*this, 1, "outer", "first");
  require_rank(other, 1, "outer", "second");
  return unsqueeze(1) * other.unsqueeze(0);
}
Tensor Tensor::ger(const Tensor& other) const { return outer(other); }

Tensor Tensor::addmm(const Tensor& a, const Tensor& b, const Scalar& beta,
                     const Scalar& alpha) const {
  static const Call* const c = plain_call("matmul");
  require_rank(a, 2, "addmm", "first");
  require_rank(b, 2, "addmm", "second");
  require_same(a, b, "addmm");
  require_inner(a, b, a.shape()[1], b.shape()[0], "addmm");
  const bool bias = shape().rank() == 1 && shape()[0] == b.shape()[1] && dtype() == a.dtype() &&
                    is_floating(dtype());
  if (bias && beta.real() == 1 && alpha.real() == 1) return record::apply(c, {a, b, *this});
  return blend(*this, product(a, b), beta, alpha);
}

Tensor Tensor::addmv(const Tensor& a, const Tensor& b, const Scalar& beta,
                     const Scalar& alpha) const {
  return blend(*this, a.mv(b), beta, alpha);
}
Tensor Tensor::addbmm(const Tensor& a, const Tensor& b, const Scalar& beta,
                      const Scalar& alpha) const {
  return blend(*this, a.bmm(b).sum(0), beta, alpha);
}
Tensor Tensor::baddbmm(const Tensor& a, const Tensor& b, const Scalar& beta,
                       const Scalar& alpha) const {
  return blend(*this, a.bmm(b), beta, alpha);
}
Tensor Tensor::addr(const Tensor& a, const Tensor& b, const Scalar& beta,
                    const Scalar& alpha) const {
  return blend(*this, a.outer(b), beta, alpha);
}

Tensor Tensor::trace() const {
  require_rank(*this, 2, "trace", "first");
  return diagonal().sum();
}

Tensor tensordot(const Tensor& a, const Tensor& b, const Dims& dims_a, const Dims& dims_b) {
  if (dims_a.size() != dims_b.size())
    user_error("tensordot: {} dims of the first and {} of the second operand", dims_a.size(),
               dims_b.size());
  Dims left, right, shape;
  int64_t m = 1, k = 1, n = 1;
  bool used_a[Shape::kMaxRank] = {}, used_b[Shape::kMaxRank] = {};
  for (int i = 0; i < dims_a.size(); ++i) {
    const int da = wrap_dim(dims_a[i], a.shape().rank(), "tensordot"),
              db = wrap_dim(dims_b[i], b.shape().rank(), "tensordot");
    if (a.shape()[da] != b.shape()[db])
      user_error("tensordot: dim {} of {} and dim {} of {} differ in size", da, a.shape().text(),
                 db, b.shape().text());
    used_a[da] = used_b[db] = true;
    k *= a.shape()[da];
    right.push_back(db);
  }
  for (int i = 0; i < a.shape().rank(); ++i)
    if (!used_a[i]) {
      left.push_back(i);
      shape.push_back(a.shape()[i]);
      m *= a.shape()[i];
    }
  for (int64_t d : dims_a) left.push_back(wrap_dim(d, a.shape().rank(), "tensordot"));
  for (int i = 0; i < b.shape().rank(); ++i)
    if (!used_b[i]) {
      right.push_back(i);
      shape.push_back(b.shape()[i]);
      n *= b.shape()[i];
    }
  const Tensor x = reshaped(a.permute(left), Shape{m, k}),
               y = reshaped(b.permute(right), Shape{k, n});
  return reshape_view(x.mm(y), shape.shape());
}

Tensor cdist(const Tensor& a, const Tensor& b, double p) {
  return (a.unsqueeze(-2) - b.unsqueeze(-3)).norm(p, -1);
}

}  // namespace trivium::nn
