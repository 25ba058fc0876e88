#include "trivium/notations/nn/index.h"

#include <algorithm>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {
namespace {

using Kind = TensorIndex::Kind;

bool is_mask(const Tensor& t) { return t.dtype() == DType::bool_ || t.dtype() == DType::u8; }

/// A tensor of one integer acts as the integer.
bool acts_as_integer(const TensorIndex& key) {
  return key.kind == Kind::tensor && key.tensor->shape().rank() == 0 &&
         is_integer(key.tensor->dtype()) && key.tensor->dtype() != DType::u8;
}

/// Axes of the tensor the key takes up.
int axes_of(const TensorIndex& key) {
  switch (key.kind) {
    case Kind::integer:
    case Kind::slice:
      return 1;
    case Kind::tensor:
      return is_mask(*key.tensor) ? key.tensor->shape().rank() : 1;
    default:
      return 0;
  }
}

/// int64 indices in range, negative ones counted from the end.
Tensor checked(const Tensor& index, int64_t size, int axis) {
  if (is_floating(index.dtype()))
    raise<IndexError>("an index of integers or bool expected, {} received", name_of(index.dtype()));
  std::vector<int64_t> at = host_integers(index);
  bool same = index.dtype() == DType::i64;
  for (int64_t& v : at) {
    if (v < -size || v >= size)
      raise<IndexError>("index {} is out of range for dim {} of size {}", v, axis, size);
    if (v < 0) {
      v += size;
      same = false;
    }
  }
  return same ? index : index_tensor(at, index.shape());
}

/// The places where a mask is true, one index tensor an axis of it.
std::vector<Tensor> places(const Tensor& mask, const Shape& shape, int axis) {
  for (int i = 0; i < mask.shape().rank(); ++i)
    if (mask.shape()[i] != shape[axis + i])
      raise<IndexError>("a mask of shape {} does not fit dims {} on of shape {}",
                        mask.shape().text(), axis, shape.text());
  return mask.nonzero_tuple();
}

}  // namespace

Subscript resolve(const Tensor& x, const std::vector<TensorIndex>& keys) {
  int named = 0, ellipses = 0;
  for (const TensorIndex& k : keys) {
    named += axes_of(k);
    ellipses += k.kind == Kind::ellipsis;
  }
  if (ellipses > 1) raise<IndexError>("a subscript has one Ellipsis at most");
  if (named > x.shape().rank())
    raise<IndexError>("{} indices for a tensor of {} dims, shape {}", named, x.shape().rank(),
                      x.shape().text());
  Subscript s{x, {}};
  int axis = 0;  // of the view so far
  const auto keep = [&](int n) {
    axis += n;
    s.indices.resize(static_cast<size_t>(axis));
  };
  for (const TensorIndex& k : keys) {
    switch (k.kind) {
      case Kind::none:
        s.view = s.view.unsqueeze(axis);
        keep(1);
        break;
      case Kind::ellipsis:
        keep(x.shape().rank() - named);
        break;
      case Kind::integer:
        s.view = s.view.select(axis, k.integer);
        break;
      case Kind::slice:
        if (k.slice.step <= 0)
          raise<ValueError>("a subscript's step is positive, {} received", k.slice.step);
        if (k.slice.start || k.slice.stop || k.slice.step != 1)
          s.view = s.view.slice(axis, k.slice.start, k.slice.stop, k.slice.step);
        keep(1);
        break;
      case Kind::boolean:
        s.view = s.view.unsqueeze(axis);
        keep(1);
        s.indices.back() = k.integer ? index_tensor({0}) : index_tensor({});
        break;
      case Kind::tensor:
        if (acts_as_integer(k)) {
          s.view = s.view.select(axis, k.tensor->item<int64_t>());
        } else if (is_mask(*k.tensor) && k.tensor->shape().rank() == 0) {
          s.view = s.view.unsqueeze(axis);
          keep(1);
          s.indices.back() = k.tensor->is_nonzero() ? index_tensor({0}) : index_tensor({});
        } else if (is_mask(*k.tensor)) {
          for (Tensor& t : places(*k.tensor, s.view.shape(), axis)) {
            keep(1);
            s.indices.back() = std::move(t);
          }
        } else {
          const Tensor at = checked(*k.tensor, s.view.shape()[axis], axis);
          keep(1);
          s.indices.back() = at;
        }
        break;
    }
  }
  s.indices.resize(static_cast<size_t>(s.view.shape().rank()));
  return s;
}

namespace {

/// The indexed axes in front as one, and the flat places in it.
struct Gathering {
  Dims perm;    // of the view: indexed axes first
  Tensor rows;  // flat index into the product of the indexed axes, shape of the broadcast index
  Shape rest;   // sizes of the axes not indexed
  int64_t size = 1;  // product of the indexed axes
  int index_at = 0;  // where the index's axes go in the result
};

Gathering gathering(const Subscript& s) {
  Gathering g;
  const Shape& shape = s.view.shape();
  std::vector<int> indexed;
  Shape index_shape;
  for (int i = 0; i < shape.rank(); ++i) {
    const Tensor& t = s.indices[static_cast<size_t>(i)];
    if (!t.defined()) continue;
    indexed.push_back(i);
    try {
      index_shape = broadcast_shapes(index_shape, t.shape());
    } catch (const UserError&) {
      raise<IndexError>("index tensors of shapes {} and {} do not broadcast", index_shape.text(),
                        t.shape().text());
    }
  }
  const bool together = indexed.back() - indexed.front() + 1 == static_cast<int>(indexed.size());
  g.index_at = together ? indexed.front() : 0;
  for (int i : indexed) {
    g.perm.push_back(i);
    g.size *= shape[i];
  }
  for (int i = 0; i < shape.rank(); ++i)
    if (!s.indices[static_cast<size_t>(i)].defined()) {
      g.perm.push_back(i);
      g.rest.push_back(shape[i]);
    }
  for (int i : indexed) {
    const Tensor& t = s.indices[static_cast<size_t>(i)];
    g.rows = g.rows.defined() ? g.rows * shape[i] + t : t;
  }
  g.rows = broadcast(g.rows, index_shape);
  return g;
}

/// The axes of the result in order: index axes at their place between the others.
Dims result_order(const Gathering& g) {
  const int n = g.rows.shape().rank(), rest = g.rest.rank();
  Dims order;
  for (int i = 0; i < g.index_at; ++i) order.push_back(n + i);
  for (int i = 0; i < n; ++i) order.push_back(i);
  for (int i = g.index_at; i < rest; ++i) order.push_back(n + i);
  return order;
}

bool in_order(const Dims& perm) {
  for (int i = 0; i < perm.size(); ++i)
    if (perm[i] != i) return false;
  return true;
}

/// The view as [indexed places, other axes…].
Tensor as_rows(const Tensor& view, const Gathering& g) {
  Shape to{g.size};
  for (int64_t d : g.rest) to.push_back(d);
  return reshaped(in_order(g.perm) ? view : view.permute(g.perm), to);
}

}  // namespace

Tensor Tensor::index(const std::vector<TensorIndex>& keys) const {
  const Subscript s = resolve(*this, keys);
  if (!s.advanced()) return s.view.same_as(*this) ? reshape_view(*this, shape()) : s.view;
  const Gathering g = gathering(s);
  const Tensor y = gather_rows(as_rows(s.view, g), g.rows, 0);
  const Dims order = result_order(g);
  return in_order(order) ? y : y.permute(order);
}

namespace {

Tensor fitted(const Tensor& value, const Shape& shape) {
  Tensor v = value;
  while (v.shape().rank() > shape.rank() && v.shape()[0] == 1) v = v.squeeze(0);
  if (v.shape().rank() > shape.rank())
    user_error("a value of shape {} cannot be assigned to elements of shape {}",
               value.shape().text(), shape.text());
  return v.shape() == shape ? v : broadcast(v, shape);
}

void put(const Tensor& x, const Tensor& value, bool accumulate, const Subscript& s) {
  const Tensor cast = cast_to(value, x.dtype());
  if (!s.advanced()) {
    const Tensor part = fitted(cast, s.view.shape());
    s.view.copy_(accumulate ? s.view + part : part);
    return;
  }
  const Gathering g = gathering(s);
  const Dims order = result_order(g);
  Shape front;  // [index axes, other axes]
  for (int64_t d : g.rows.shape()) front.push_back(d);
  for (int64_t d : g.rest) front.push_back(d);
  Dims back;  // where each axis of [index, others] is in the result
  for (int i = 0; i < order.size(); ++i) back.push_back(0);
  Shape shown;
  for (int i = 0; i < order.size(); ++i) {
    back[static_cast<int>(order[i])] = i;
    shown.push_back(front[static_cast<int>(order[i])]);
  }
  Tensor updates = fitted(cast, shown);
  if (!in_order(order)) updates = updates.permute(back);
  Shape flat{g.rows.count()};
  for (int64_t d : g.rest) flat.push_back(d);
  updates = reshaped(updates, flat);
  if (g.rows.count() == 0) return;
  const Tensor rows = as_rows(s.view, g), at = reshaped(g.rows, Shape{g.rows.count()});
  const Tensor changed =
      accumulate ? rows.index_add(0, at, updates) : rows.index_copy(0, at, updates);
  Shape unflat;
  Dims undo;
  for (int i = 0; i < g.perm.size(); ++i) {
    unflat.push_back(s.view.shape()[static_cast<int>(g.perm[i])]);
    undo.push_back(0);
  }
  for (int i = 0; i < g.perm.size(); ++i) undo[static_cast<int>(g.perm[i])] = i;
  const Tensor apart = reshaped(changed, unflat);
  write_back(s.view, in_order(undo) ? apart : apart.permute(undo), "index_put_");
}

/// A mask over the leading dims with a number: select, without looking at the mask.
bool put_by_mask(const Tensor& x, const std::vector<TensorIndex>& keys, const Tensor& number,
                 bool accumulate) {
  if (accumulate || keys.size() != 1 || keys[0].kind != Kind::tensor) return false;
  const Tensor& mask = *keys[0].tensor;
  const int rank = mask.shape().rank();
  if (mask.dtype() != DType::bool_ || rank == 0 || rank > x.shape().rank()) return false;
  for (int i = 0; i < rank; ++i)
    if (mask.shape()[i] != x.shape()[i])
      raise<IndexError>("a mask of shape {} does not fit shape {}", mask.shape().text(),
                        x.shape().text());
  Shape over = mask.shape();
  for (int i = rank; i < x.shape().rank(); ++i) over.push_back(1);
  const Tensor wide = rank == x.shape().rank() ? mask : reshaped(mask, over);
  write_back(x, pick(wide, cast_to(number, x.dtype()), x), "index_put_");
  return true;
}

}  // namespace

const Tensor& Tensor::index_put_(const std::vector<TensorIndex>& keys, const Tensor& value,
                                 bool accumulate) const {
  if (value.shape().rank() == 0 && put_by_mask(*this, keys, value, accumulate)) return *this;
  put(*this, value, accumulate, resolve(*this, keys));
  return *this;
}

const Tensor& Tensor::index_put_(const std::vector<TensorIndex>& keys, const Scalar& value,
                                 bool accumulate) const {
  return index_put_(keys, number_of(value, dtype()), accumulate);
}

}  // namespace trivium::nn
