// The parts of Tensor that look at it, convert it or write it back, and the helpers of its files.
#include "trivium/notations/nn/tensor.h"

#include <algorithm>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/ops/build.h"
#include "trivium/notations/nn/print.h"
#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {

using record::Call;

void start_engine() {
  static const bool once = [] {
    ops::register_all();
    cpu::register_backend();
    return true;
  }();
  (void)once;
}

const Call* call_with(const char* op, const Attrs& attrs) {
  start_engine();
  return record::call(std::string(op), attrs);
}

const Call* plain_call(const char* op) { return call_with(op, {}); }

const Call* axis_call(const char* op, int axis) {
  start_engine();
  const int64_t key[] = {axis};
  return record::call_by_key(OpRegistry::instance().get(op), key,
                             [](const OpDef&, std::span<const int64_t> k) {
                               return Attrs{{"axis", k[0]}};
                             });
}

int wrap_dim(int64_t dim, int rank, const char* op) {
  const int64_t axes = std::max(rank, 1);
  if (dim < -axes || dim >= axes)
    raise<IndexError>("{}: dim {} is out of range; a tensor of rank {} has dims {} to {}", op, dim,
                      rank, -axes, axes - 1);
  return static_cast<int>(dim < 0 ? dim + axes : dim);
}

Dims wrap_dims(const Dims& dims, int rank, const char* op) {
  Dims out;
  bool named[Shape::kMaxRank + 1] = {};
  for (int64_t d : dims) {
    const int at = wrap_dim(d, rank, op);
    if (named[at]) user_error("{}: dim {} is named twice in {}", op, at, dims.text());
    named[at] = true;
  }
  for (int i = 0; i < rank; ++i)
    if (named[i] || dims.empty()) out.push_back(i);
  return out;
}

Shape without_dims(const Shape& shape, const Dims& dims, bool keepdim) {
  Shape out;
  for (int i = 0; i < shape.rank(); ++i) {
    const bool gone = std::find(dims.begin(), dims.end(), i) != dims.end();
    if (!gone)
      out.push_back(shape[i]);
    else if (keepdim)
      out.push_back(1);
  }
  return out;
}

const Tensor& write_back(const Tensor& x, const Tensor& value, const char* op) {
  if (category_of(value.dtype()) > category_of(x.dtype()))
    user_error("{}: the result is {} and cannot be kept in a tensor of {}; use the form without _",
               op, name_of(value.dtype()), name_of(x.dtype()));
  if (!(value.shape() == x.shape()))
    user_error(
        "{}: the result has shape {} and cannot be kept in a tensor of shape {}; use the form "
        "without _",
        op, value.shape().text(), x.shape().text());
  x.impl();
  const_cast<Tensor&>(x).assign(cast_to(value, x.dtype()));
  return x;
}

Tensor floating_unary(const Call* call, const Tensor& x) {
  if (is_floating(x.dtype())) return record::apply(call, {x});
  return record::apply(call, {cast_to(x, default_dtype())});
}

Tensor promoted(const Call* call, const Tensor& a, const Tensor& b) {
  if (a.dtype() == b.dtype()) return record::apply(call, {a, b});
  const DType d = result_type(a, b);
  return record::apply(call, {cast_to(a, d), cast_to(b, d)});
}

Tensor promoted(const Call* call, const Tensor& a, const Scalar& b) {
  const DType d = result_type(a, b);
  return record::apply(call, {cast_to(a, d), number_of(b, d)});
}

Tensor broadcast(const Tensor& x, const Shape& shape) {
  if (x.shape() == shape) return x;
  return record::apply(record::broadcast_call(shape.dims()), {x});
}

Tensor concat(const std::vector<Tensor>& xs, int axis) {
  const std::vector<record::Var> operands(xs.begin(), xs.end());
  return record::apply(axis_call("concat", axis), operands);
}

Tensor gather_rows(const Tensor& x, const Tensor& index, int axis) {
  return record::apply(axis_call("gather", axis), {x, index});
}

bool is_ready(const Tensor& x) {
  const record::VarImpl& impl = *x.impl();
  return impl.storage->current->is_ready();
}

Tensor index_tensor(const std::vector<int64_t>& values, const Shape& shape) {
  return Tensor(Array::from(values, shape));
}
Tensor index_tensor(const std::vector<int64_t>& values) {
  return index_tensor(values, Shape{static_cast<int64_t>(values.size())});
}

std::vector<int64_t> host_integers(const Tensor& x) {
  Array a = x.array();
  if (a.dtype() != DType::i64) a = a.cast(DType::i64);
  const auto s = a.span<int64_t>();
  return {s.begin(), s.end()};
}

Tensor pick(const Tensor& condition, const Tensor& a, const Tensor& b) {
  static const Call* const c = plain_call("select");
  return record::apply(c, {condition, a, b});
}

Tensor with_zero_gradient(const Tensor& y, const Tensor& x) {
  if (!record::grad_enabled() || !is_floating(x.dtype()) || !x.requires_grad()) return y;
  const Tensor always = x.eq(x).logical_or(x.ne(x));
  return pick(always, y, broadcast(x, y.shape()));
}

// ---- members

int64_t Tensor::size(int64_t dim) const {
  if (shape().rank() == 0)
    raise<IndexError>("size: dim {} is out of range; the tensor has no dims", dim);
  return shape()[wrap_dim(dim, shape().rank(), "size")];
}

std::vector<int64_t> Tensor::stride() const {
  std::vector<int64_t> s;
  int64_t offset = 0;
  if (strides(&s, &offset)) return s;
  const auto plain = strides_of(shape());
  return {plain.begin(), plain.begin() + shape().rank()};
}

int64_t Tensor::storage_offset() const {
  std::vector<int64_t> s;
  int64_t offset = 0;
  return strides(&s, &offset) ? offset : 0;
}

std::string Tensor::text() const { return to_string(*this); }

double Tensor::item_real() const {
  if (count() != 1)
    raise<ItemError>("item: a tensor of one element expected, shape {} has {}", shape().text(),
                     count());
  return array().at(0);
}

int64_t Tensor::item_integer() const {
  const double v = item_real();
  return dtype() == DType::i64 ? array().data<int64_t>()[0] : static_cast<int64_t>(v);
}

Scalar Tensor::item_scalar() const {
  if (dtype() == DType::bool_) return Scalar(item_real() != 0);
  if (is_integer(dtype())) return Scalar(item_integer());
  return Scalar(item_real());
}

bool Tensor::is_nonzero() const {
  if (count() != 1)
    user_error(
        "a tensor of shape {} has no truth value: use any(), all() or a comparison of one element",
        shape().text());
  return item_real() != 0;
}

const Tensor& Tensor::requires_grad_(bool on) const {
  const_cast<Tensor*>(this)->set_requires_grad(on);
  return *this;
}

const Tensor& Tensor::detach_() const {
  if (is_view()) user_error("detach_: a view cannot be detached in place; use detach()");
  impl()->edge = {};
  impl()->wants_grad = false;
  return *this;
}

void Tensor::backward(const Tensor& gradient, bool retain_graph, bool create_graph,
                      const std::vector<Tensor>* inputs) const {
  if (!requires_grad())
    user_error("backward: the tensor does not depend on anything that requires a gradient");
  if (!gradient.defined() && count() != 1)
    user_error("backward: a gradient is needed for a result of several elements, shape {}",
               shape().text());
  if (gradient.defined() && !(gradient.shape() == shape()))
    user_error("backward: gradient of shape {} received, {} expected", gradient.shape().text(),
               shape().text());
  std::vector<record::Var> wanted;
  if (inputs) wanted.assign(inputs->begin(), inputs->end());
  record::backward({*this}, {gradient}, retain_graph || create_graph, create_graph,
                   inputs ? &wanted : nullptr);
}

int64_t Tensor::register_hook(std::function<Tensor(const Tensor&)> hook) const {
  return const_cast<Tensor*>(this)->add_hook(
      [hook = std::move(hook)](const record::Var& g) -> record::Var { return hook(Tensor(g)); });
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs, bool retain_graph,
                         bool create_graph, bool allow_unused) {
  const auto vars = [](const std::vector<Tensor>& v) {
    return std::vector<record::Var>(v.begin(), v.end());
  };
  const auto found = record::gradients(vars(outputs), vars(inputs), vars(grad_outputs),
                                       retain_graph || create_graph, create_graph);
  std::vector<Tensor> out(found.begin(), found.end());
  for (size_t i = 0; i < out.size(); ++i)
    if (!out[i].defined() && !allow_unused)
      user_error("grad: the outputs do not depend on input {}; pass allow_unused", i);
  return out;
}

Tensor Tensor::to(DType dtype, bool copy) const {
  if (dtype == this->dtype()) return copy ? clone() : *this;
  return cast_to(*this, dtype);
}

Tensor Tensor::to(const Device& device) const {
  require_available(device);
  return *this;
}

Tensor Tensor::to(const TensorOptions& options) const {
  if (options.device) require_available(*options.device);
  return options.dtype ? to(*options.dtype) : *this;
}

Tensor Tensor::clone() const {
  static const Call* const times = plain_call("mul");
  static const Call* const either = plain_call("logical_or");
  if (dtype() == DType::bool_) return record::apply(either, {*this, record::number(0, dtype())});
  return record::apply(times, {*this, record::number(1, dtype())});
}

Tensor Tensor::contiguous() const { return is_contiguous() ? *this : clone(); }

const Tensor& Tensor::copy_(const Tensor& source) const {
  Tensor value = cast_to(source, dtype());
  if (!(value.shape() == shape())) value = broadcast(value, shape());
  if (value.same_as(source)) value = source.clone();
  const_cast<Tensor*>(this)->assign(value);
  return *this;
}

}  // namespace trivium::nn
