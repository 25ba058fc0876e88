// The forms that change a tensor: the operation without _, kept in the tensor.
#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {

const Tensor& Tensor::add_(const Tensor& other, const Scalar& alpha) const {
  return write_back(*this, add(other, alpha), "add_");
}
const Tensor& Tensor::sub_(const Tensor& other, const Scalar& alpha) const {
  return write_back(*this, sub(other, alpha), "sub_");
}
const Tensor& Tensor::mul_(const Tensor& other) const {
  return write_back(*this, mul(other), "mul_");
}
const Tensor& Tensor::div_(const Tensor& other, const std::string& rounding_mode) const {
  return write_back(*this, div(other, rounding_mode), "div_");
}
const Tensor& Tensor::floor_divide_(const Tensor& other) const {
  return write_back(*this, floor_divide(other), "floor_divide_");
}
const Tensor& Tensor::remainder_(const Tensor& other) const {
  return write_back(*this, remainder(other), "remainder_");
}
const Tensor& Tensor::fmod_(const Tensor& other) const {
  return write_back(*this, fmod(other), "fmod_");
}
const Tensor& Tensor::eq_(const Tensor& other) const { return write_back(*this, eq(other), "eq_"); }
const Tensor& Tensor::ne_(const Tensor& other) const { return write_back(*this, ne(other), "ne_"); }
const Tensor& Tensor::lt_(const Tensor& other) const { return write_back(*this, lt(other), "lt_"); }
const Tensor& Tensor::le_(const Tensor& other) const { return write_back(*this, le(other), "le_"); }
const Tensor& Tensor::gt_(const Tensor& other) const { return write_back(*this, gt(other), "gt_"); }
const Tensor& Tensor::ge_(const Tensor& other) const { return write_back(*this, ge(other), "ge_"); }
const Tensor& Tensor::pow_(const Tensor& exponent) const {
  return write_back(*this, pow(exponent), "pow_");
}
const Tensor& Tensor::lerp_(const Tensor& end, const Tensor& weight) const {
  return write_back(*this, lerp(end, weight), "lerp_");
}
const Tensor& Tensor::scatter_(int64_t dim, const Tensor& index, const Tensor& src,
                               const std::string& reduce) const {
  return write_back(*this, scatter(dim, index, src, reduce), "scatter_");
}
const Tensor& Tensor::index_fill_(int64_t dim, const Tensor& index, const Tensor& value) const {
  return write_back(*this, index_fill(dim, index, value), "index_fill_");
}
const Tensor& Tensor::masked_fill_(const Tensor& mask, const Tensor& value) const {
  return write_back(*this, masked_fill(mask, value), "masked_fill_");
}
const Tensor& Tensor::add_(const Scalar& other, const Scalar& alpha) const {
  return write_back(*this, add(other, alpha), "add_");
}
const Tensor& Tensor::sub_(const Scalar& other, const Scalar& alpha) const {
  return write_back(*this, sub(other, alpha), "sub_");
}
const Tensor& Tensor::mul_(const Scalar& other) const {
  return write_back(*this, mul(other), "mul_");
}
const Tensor& Tensor::div_(const Scalar& other, const std::string& rounding_mode) const {
  return write_back(*this, div(other, rounding_mode), "div_");
}
const Tensor& Tensor::floor_divide_(const Scalar& other) const {
  return write_back(*this, floor_divide(other), "floor_divide_");
}
const Tensor& Tensor::remainder_(const Scalar& other) const {
  return write_back(*this, remainder(other), "remainder_");
}
const Tensor& Tensor::fmod_(const Scalar& other) const {
  return write_back(*this, fmod(other), "fmod_");
}
const Tensor& Tensor::eq_(const Scalar& other) const { return write_back(*this, eq(other), "eq_"); }
const Tensor& Tensor::ne_(const Scalar& other) const { return write_back(*this, ne(other), "ne_"); }
const Tensor& Tensor::lt_(const Scalar& other) const { return write_back(*this, lt(other), "lt_"); }
const Tensor& Tensor::le_(const Scalar& other) const { return write_back(*this, le(other), "le_"); }
const Tensor& Tensor::gt_(const Scalar& other) const { return write_back(*this, gt(other), "gt_"); }
const Tensor& Tensor::ge_(const Scalar& other) const { return write_back(*this, ge(other), "ge_"); }
const Tensor& Tensor::pow_(const Scalar& exponent) const {
  return write_back(*this, pow(exponent), "pow_");
}
const Tensor& Tensor::lerp_(const Tensor& end, const Scalar& weight) const {
  return write_back(*this, lerp(end, weight), "lerp_");
}
const Tensor& Tensor::scatter_(int64_t dim, const Tensor& index, const Scalar& value,
                               const std::string& reduce) const {
  return write_back(*this, scatter(dim, index, value, reduce), "scatter_");
}
const Tensor& Tensor::index_fill_(int64_t dim, const Tensor& index, const Scalar& value) const {
  return write_back(*this, index_fill(dim, index, value), "index_fill_");
}
const Tensor& Tensor::masked_fill_(const Tensor& mask, const Scalar& value) const {
  return write_back(*this, masked_fill(mask, value), "masked_fill_");
}
const Tensor& Tensor::logical_and_(const Tensor& other) const {
  return write_back(*this, logical_and(other), "logical_and_");
}
const Tensor& Tensor::logical_or_(const Tensor& other) const {
  return write_back(*this, logical_or(other), "logical_or_");
}
const Tensor& Tensor::logical_xor_(const Tensor& other) const {
  return write_back(*this, logical_xor(other), "logical_xor_");
}
const Tensor& Tensor::bitwise_and_(const Tensor& other) const {
  return write_back(*this, bitwise_and(other), "bitwise_and_");
}
const Tensor& Tensor::bitwise_or_(const Tensor& other) const {
  return write_back(*this, bitwise_or(other), "bitwise_or_");
}
const Tensor& Tensor::bitwise_xor_(const Tensor& other) const {
  return write_back(*this, bitwise_xor(other), "bitwise_xor_");
}
const Tensor& Tensor::clamp_(std::optional<Scalar> min, std::optional<Scalar> max) const {
  return write_back(*this, clamp(min, max), "clamp_");
}
const Tensor& Tensor::clamp_(const Tensor& min, const Tensor& max) const {
  return write_back(*this, clamp(min, max), "clamp_");
}
const Tensor& Tensor::clamp_min_(const Scalar& min) const {
  return write_back(*this, clamp_min(min), "clamp_min_");
}
const Tensor& Tensor::clamp_max_(const Scalar& max) const {
  return write_back(*this, clamp_max(max), "clamp_max_");
}
const Tensor& Tensor::addcmul_(const Tensor& tensor1, const Tensor& tensor2,
                               const Scalar& value) const {
  return write_back(*this, addcmul(tensor1, tensor2, value), "addcmul_");
}
const Tensor& Tensor::addcdiv_(const Tensor& tensor1, const Tensor& tensor2,
                               const Scalar& value) const {
  return write_back(*this, addcdiv(tensor1, tensor2, value), "addcdiv_");
}
const Tensor& Tensor::scatter_add_(int64_t dim, const Tensor& index, const Tensor& src) const {
  return write_back(*this, scatter_add(dim, index, src), "scatter_add_");
}
const Tensor& Tensor::scatter_reduce_(int64_t dim, const Tensor& index, const Tensor& src,
                                      const std::string& reduce, bool include_self) const {
  return write_back(*this, scatter_reduce(dim, index, src, reduce, include_self),
                    "scatter_reduce_");
}
const Tensor& Tensor::index_add_(int64_t dim, const Tensor& index, const Tensor& source,
                                 const Scalar& alpha) const {
  return write_back(*this, index_add(dim, index, source, alpha), "index_add_");
}
const Tensor& Tensor::index_copy_(int64_t dim, const Tensor& index, const Tensor& source) const {
  return write_back(*this, index_copy(dim, index, source), "index_copy_");
}
const Tensor& Tensor::masked_scatter_(const Tensor& mask, const Tensor& source) const {
  return write_back(*this, masked_scatter(mask, source), "masked_scatter_");
}
const Tensor& Tensor::tril_(int64_t diagonal) const {
  return write_back(*this, tril(diagonal), "tril_");
}
const Tensor& Tensor::triu_(int64_t diagonal) const {
  return write_back(*this, triu(diagonal), "triu_");
}
const Tensor& Tensor::addmm_(const Tensor& a, const Tensor& b, const Scalar& beta,
                             const Scalar& alpha) const {
  return write_back(*this, addmm(a, b, beta, alpha), "addmm_");
}

const Tensor& Tensor::fill_(const Scalar& value) const {
  return write_back(*this, broadcast(number_of(value, dtype()), shape()), "fill_");
}

const Tensor& Tensor::fill_(const Tensor& value) const {
  if (value.count() != 1 || value.shape().rank() != 0)
    user_error("fill_: a number or a tensor without dims expected, shape {} received",
               value.shape().text());
  return write_back(*this, broadcast(cast_to(value, dtype()), shape()), "fill_");
}

const Tensor& Tensor::zero_() const { return fill_(0); }

const Tensor& Tensor::fill_diagonal_(const Scalar& value) const {
  if (shape().rank() != 2)
    user_error("fill_diagonal_: two dims expected, shape {} received", shape().text());
  diagonal().fill_(value);
  return *this;
}

}  // namespace trivium::nn
