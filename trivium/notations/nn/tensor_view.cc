// Views: the same elements under other sizes and orders. All are chains of reshape, permute, slice,
// broadcast_to and as_strided on the storage's value.
#include <algorithm>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {
namespace {

/// Sizes with their one -1 filled in; UserError when they do not hold `count` elements.
Shape complete_sizes(const Dims& sizes, int64_t count, const char* op) {
  int64_t known = 1;
  int open = -1;
  for (int i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == -1) {
      if (open >= 0) user_error("{}: only one size of {} can be -1", op, sizes.text());
      open = i;
    } else if (sizes[i] < -1) {
      user_error("{}: a size of {} received in {}", op, sizes[i], sizes.text());
    } else {
      known *= sizes[i];
    }
  }
  Dims filled = sizes;
  if (open >= 0) {
    if (known == 0)
      user_error("{}: -1 in {} could be any size, as the others hold no element", op, sizes.text());
    filled[open] = count / known;
    known *= filled[open];
  }
  if (known != count)
    user_error("{}: sizes {} do not hold the {} elements of the tensor", op, sizes.text(), count);
  return Shape(filled.span());
}

/// Whether elements laid out by `strides` can be seen under `to` without moving: every run of axes
/// that is merged or split lies densely.
bool fits_strides(const Shape& from, const std::vector<int64_t>& strides, const Shape& to) {
  if (from.count() == 0) return true;
  int at = to.rank() - 1;
  int64_t block = 1, seen = 1;  // elements of a dense run of `from`, and of `to` inside it
  for (int i = from.rank() - 1; i >= 0; --i) {
    block *= from[i];
    const bool goes_on = i > 0 && strides[i - 1] == from[i] * strides[i];
    if (goes_on) continue;
    while (at >= 0 && (seen < block || to[at] == 1)) seen *= to[at--];
    if (seen != block) return false;
    block = seen = 1;
  }
  return true;
}

bool can_view(const Tensor& x, const Shape& to) {
  if (!x.is_view()) return true;
  std::vector<int64_t> strides, kept;
  int64_t offset = 0;
  if (!x.strides(&strides, &offset)) return false;
  Shape sizes;  // axes of size 1 have no stride that matters
  for (int i = 0; i < x.shape().rank(); ++i)
    if (x.shape()[i] != 1) {
      sizes.push_back(x.shape()[i]);
      kept.push_back(strides[i]);
    }
  return fits_strides(sizes, kept, to);
}

Tensor permuted(const Tensor& x, const Dims& perm) {
  return record::view(record::permute_call(perm.span()), x);
}

}  // namespace

Tensor reshape_view(const Tensor& x, const Shape& shape) {
  return record::view(record::reshape_call(shape.dims()), x);
}

Tensor reshaped(const Tensor& x, const Shape& shape) {
  if (can_view(x, shape)) return reshape_view(x, shape);
  return record::apply(record::reshape_call(shape.dims()), {x});
}

Tensor cut(const Tensor& x, int axis, int64_t start, int64_t stop, int64_t step) {
  const int rank = x.shape().rank();
  std::array<int64_t, Shape::kMaxRank> starts{}, stops{}, steps{};
  for (int i = 0; i < rank; ++i) {
    stops[i] = x.shape()[i];
    steps[i] = 1;
  }
  starts[axis] = start;
  stops[axis] = std::max(start, stop);
  steps[axis] = step;
  const size_t n = static_cast<size_t>(rank);
  return record::view(record::slice_call({starts.data(), n}, {stops.data(), n}, {steps.data(), n}),
                      x);
}

Tensor Tensor::view(const Dims& sizes) const {
  const Shape to = complete_sizes(sizes, count(), "view");
  if (!can_view(*this, to))
    user_error(
        "view: shape {} with these strides cannot be seen as {} without moving elements; use "
        "reshape()",
        shape().text(), to.text());
  return reshape_view(*this, to);
}

Tensor Tensor::reshape(const Dims& sizes) const {
  return reshaped(*this, complete_sizes(sizes, count(), "reshape"));
}

Tensor Tensor::flatten(int64_t start_dim, int64_t end_dim) const {
  const int rank = shape().rank();
  const int first = wrap_dim(start_dim, rank, "flatten"), last = wrap_dim(end_dim, rank, "flatten");
  if (first > last) user_error("flatten: start_dim {} is after end_dim {}", start_dim, end_dim);
  if (rank == 0) return reshape_view(*this, Shape{1});
  if (first == last) return *this;
  Shape to(shape().dims().first(first));
  to.push_back(shape().count(first, last + 1));
  for (int i = last + 1; i < rank; ++i) to.push_back(shape()[i]);
  return reshaped(*this, to);
}

Tensor Tensor::unflatten(int64_t dim, const Dims& sizes) const {
  const int at = wrap_dim(dim, shape().rank(), "unflatten");
  const Shape middle = complete_sizes(sizes, shape()[at], "unflatten");
  Shape to(shape().dims().first(at));
  for (int64_t s : middle) to.push_back(s);
  for (int i = at + 1; i < shape().rank(); ++i) to.push_back(shape()[i]);
  return reshape_view(*this, to);
}

Tensor Tensor::squeeze() const {
  Shape to;
  for (int64_t s : shape())
    if (s != 1) to.push_back(s);
  return reshape_view(*this, to);
}

Tensor Tensor::squeeze(const Dims& dims) const {
  const Dims named = wrap_dims(dims, shape().rank(), "squeeze");
  Shape to;
  for (int i = 0; i < shape().rank(); ++i) {
    const bool gone = shape()[i] == 1 && std::find(named.begin(), named.end(), i) != named.end();
    if (!gone) to.push_back(shape()[i]);
  }
  return reshape_view(*this, to);
}

Tensor Tensor::unsqueeze(int64_t dim) const {
  const int rank = shape().rank(), at = wrap_dim(dim, rank + 1, "unsqueeze");
  Shape to;
  for (int i = 0; i <= rank; ++i) {
    if (i == at) to.push_back(1);
    if (i < rank) to.push_back(shape()[i]);
  }
  return reshape_view(*this, to);
}

Tensor Tensor::expand(const Dims& sizes) const {
  const int rank = shape().rank(), added = sizes.size() - rank;
  if (added < 0)
    user_error("expand: {} has fewer dims than the tensor, shape {}", sizes.text(), shape().text());
  Dims to = sizes;
  for (int i = 0; i < sizes.size(); ++i) {
    if (i < added && sizes[i] < 0)
      user_error("expand: -1 in {} stands for a dim the tensor does not have", sizes.text());
    if (i < added) continue;
    const int64_t own = shape()[i - added];
    if (sizes[i] == -1) to[i] = own;
    if (own != 1 && to[i] != own)
      user_error("expand: dim {} of shape {} has size {}, {} is asked for; only 1 can grow",
                 i - added, shape().text(), own, sizes[i]);
  }
  return record::view(record::broadcast_call(to.span()), *this);
}

Tensor Tensor::expand_as(const Tensor& like) const { return expand(like.shape()); }

Tensor Tensor::transpose(int64_t dim0, int64_t dim1) const {
  const int rank = shape().rank();
  const int a = wrap_dim(dim0, rank, "transpose"), b = wrap_dim(dim1, rank, "transpose");
  Dims perm;
  for (int i = 0; i < rank; ++i) perm.push_back(i == a ? b : i == b ? a : i);
  return permuted(*this, perm);
}
Tensor Tensor::swapaxes(int64_t dim0, int64_t dim1) const { return transpose(dim0, dim1); }

Tensor Tensor::t() const {
  if (shape().rank() > 2)
    user_error("t: at most two dims expected, shape {} received; use transpose()", shape().text());
  return shape().rank() < 2 ? *this : transpose(0, 1);
}

Tensor Tensor::T() const {
  Dims perm;
  for (int i = shape().rank(); i-- > 0;) perm.push_back(i);
  return permuted(*this, perm);
}

Tensor Tensor::mT() const {
  if (shape().rank() < 2)
    user_error("mT: two dims or more expected, shape {} received", shape().text());
  return transpose(-2, -1);
}

Tensor Tensor::permute(const Dims& dims) const {
  const int rank = shape().rank();
  if (dims.size() != rank)
    user_error("permute: {} dims named, the tensor has {}", dims.size(), rank);
  Dims perm;
  bool named[Shape::kMaxRank] = {};
  for (int64_t d : dims) {
    const int at = wrap_dim(d, rank, "permute");
    if (named[at]) user_error("permute: dim {} is named twice in {}", at, dims.text());
    named[at] = true;
    perm.push_back(at);
  }
  return permuted(*this, perm);
}

Tensor Tensor::movedim(const Dims& source, const Dims& destination) const {
  const int rank = shape().rank();
  if (source.size() != destination.size())
    user_error("movedim: {} sources and {} destinations", source.size(), destination.size());
  Dims perm;
  for (int i = 0; i < rank; ++i) perm.push_back(-1);
  bool used[Shape::kMaxRank] = {};
  for (int i = 0; i < source.size(); ++i) {
    const int from = wrap_dim(source[i], rank, "movedim"),
              to = wrap_dim(destination[i], rank, "movedim");
    if (used[from] || perm[to] >= 0) user_error("movedim: a dim is named twice");
    used[from] = true;
    perm[to] = from;
  }
  int next = 0;
  for (int i = 0; i < rank; ++i) {
    if (perm[i] >= 0) continue;
    while (used[next]) ++next;
    perm[i] = next++;
  }
  return permuted(*this, perm);
}

Tensor Tensor::narrow(int64_t dim, int64_t start, int64_t length) const {
  const int at = wrap_dim(dim, shape().rank(), "narrow");
  const int64_t size = shape()[at], first = start < 0 ? start + size : start;
  if (start < -size || start > size)
    raise<IndexError>("narrow: start {} is outside a dim of size {}", start, size);
  if (length < 0 || first + length > size)
    user_error("narrow: {} elements from {} are not inside a dim of size {}", length, start, size);
  return cut(*this, at, first, first + length);
}

Tensor Tensor::select(int64_t dim, int64_t index) const {
  const int rank = shape().rank();
  if (rank == 0)
    raise<IndexError>("a tensor without dims cannot be indexed by a number; use item()");
  const int at = wrap_dim(dim, rank, "select");
  const int64_t size = shape()[at];
  if (index < -size || index >= size)
    raise<IndexError>("index {} is out of range for dim {} of size {}", index, at, size);
  const int64_t i = index < 0 ? index + size : index;
  Dims gone;
  gone.push_back(at);
  const Tensor row = cut(*this, at, i, i + 1);
  return reshape_view(row, without_dims(row.shape(), gone, false));
}

Tensor Tensor::slice(int64_t dim, std::optional<int64_t> start, std::optional<int64_t> stop,
                     int64_t step) const {
  const int at = wrap_dim(dim, shape().rank(), "slice");
  if (step <= 0) raise<ValueError>("slice: a positive step expected, {} received", step);
  const int64_t size = shape()[at];
  const auto place = [size](int64_t i) {
    return std::clamp<int64_t>(i < 0 ? i + size : i, 0, size);
  };
  const int64_t from = place(start.value_or(0)), to = place(stop.value_or(size));
  return cut(*this, at, from, std::max(from, to), step);
}

std::vector<Tensor> Tensor::split(int64_t split_size, int64_t dim) const {
  const int at = wrap_dim(dim, shape().rank(), "split");
  const int64_t size = shape()[at];
  if (split_size < 0 || (split_size == 0 && size != 0))
    user_error("split: a positive size expected, {} received", split_size);
  if (size == 0) return {*this};
  std::vector<Tensor> parts;
  for (int64_t i = 0; i < size; i += split_size)
    parts.push_back(cut(*this, at, i, std::min(size, i + split_size)));
  return parts;
}

std::vector<Tensor> Tensor::split(const std::vector<int64_t>& sizes, int64_t dim) const {
  const int at = wrap_dim(dim, shape().rank(), "split");
  int64_t total = 0;
  for (int64_t s : sizes) {
    if (s < 0) user_error("split: a size of {} received", s);
    total += s;
  }
  if (total != shape()[at])
    user_error("split: the sizes add up to {}, dim {} has size {}", total, at, shape()[at]);
  std::vector<Tensor> parts;
  int64_t from = 0;
  for (int64_t s : sizes) {
    parts.push_back(cut(*this, at, from, from + s));
    from += s;
  }
  return parts;
}

std::vector<Tensor> Tensor::chunk(int64_t chunks, int64_t dim) const {
  if (chunks < 1) user_error("chunk: at least one chunk expected, {} received", chunks);
  const int64_t size = this->size(dim);
  if (size == 0) return std::vector<Tensor>(static_cast<size_t>(chunks), *this);
  return split((size + chunks - 1) / chunks, dim);
}

std::vector<Tensor> Tensor::tensor_split(int64_t sections, int64_t dim) const {
  if (sections < 1)
    user_error("tensor_split: at least one section expected, {} received", sections);
  const int64_t size = this->size(dim);
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < sections; ++i)
    sizes.push_back(size / sections + (i < size % sections ? 1 : 0));
  return split(sizes, dim);
}

std::vector<Tensor> Tensor::unbind(int64_t dim) const {
  if (shape().rank() == 0) raise<IndexError>("unbind: a tensor without dims has no slices");
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < size(dim); ++i) rows.push_back(select(dim, i));
  return rows;
}

Tensor Tensor::diagonal(int64_t offset, int64_t dim1, int64_t dim2) const {
  const int rank = shape().rank();
  const int a = wrap_dim(dim1, rank, "diagonal"), b = wrap_dim(dim2, rank, "diagonal");
  if (a == b) user_error("diagonal: two different dims expected, {} received twice", a);
  const Tensor moved = movedim({a, b}, {-2, -1});
  const int64_t rows = moved.shape()[-2], columns = moved.shape()[-1];
  const int64_t length = std::max<int64_t>(
      0, offset >= 0 ? std::min(rows, columns - offset) : std::min(rows + offset, columns));
  const int64_t first = offset >= 0 ? offset : -offset * columns;
  Shape flat(moved.shape().dims().first(rank - 2));
  flat.push_back(rows * columns);
  const Tensor lines = reshaped(moved, flat);
  if (length == 0) return cut(lines, rank - 2, 0, 0);
  return cut(lines, rank - 2, first, first + (length - 1) * (columns + 1) + 1, columns + 1);
}

Tensor Tensor::as_strided(const Dims& size, const Dims& stride,
                          std::optional<int64_t> storage_offset) const {
  if (size.size() != stride.size())
    user_error("as_strided: {} sizes and {} strides received; as many expected", size.size(),
               stride.size());
  const Shape shape = size.shape();
  int64_t own = 0, reach = 0;
  std::vector<int64_t> strides;
  if (!record::Var::strides(&strides, &own))
    user_error("as_strided: no strides say how this tensor lies in its storage; use contiguous()");
  const int64_t first = storage_offset.value_or(own);
  for (int i = 0; i < stride.size(); ++i) {
    if (stride[i] < 0) user_error("as_strided: negative stride {} received", stride[i]);
    reach += (shape[i] - 1) * stride[i];
  }
  const record::Var root = record::storage_root(*this);
  if (first < 0 || (shape.count() > 0 && first + reach >= root.count()))
    user_error(
        "as_strided: sizes {}, strides {} and offset {} reach beyond the {} elements of the "
        "storage",
        size.text(), stride.text(), first, root.count());
  // Of the tensor itself where all of it lies there: its gradient is that of its elements.
  if (is_contiguous() && first >= own && (shape.count() == 0 || first + reach < own + count()))
    return record::view(record::as_strided_call(shape.dims(), stride.span(), first - own), *this);
  if (record::grad_enabled() && requires_grad())
    user_error(
        "as_strided: a view that is not contiguous, or elements outside it, while a gradient "
        "is recorded; take it of the whole tensor or of contiguous()");
  return record::view(record::as_strided_call(shape.dims(), stride.span(), first), root);
}

namespace {

/// x becomes `view` of itself. Its history has the old shape, so it must have none.
const Tensor& become(const Tensor& x, const Tensor& view, const char* op) {
  if (x.requires_grad())
    user_error("{}: a tensor that requires a gradient keeps its shape; use the form without _", op);
  const_cast<Tensor&>(x).set_data(view);
  return x;
}

}  // namespace

const Tensor& Tensor::squeeze_() const { return become(*this, squeeze(), "squeeze_"); }
const Tensor& Tensor::squeeze_(const Dims& dims) const {
  return become(*this, squeeze(dims), "squeeze_");
}
const Tensor& Tensor::unsqueeze_(int64_t dim) const {
  return become(*this, unsqueeze(dim), "unsqueeze_");
}
const Tensor& Tensor::t_() const { return become(*this, t(), "t_"); }
const Tensor& Tensor::transpose_(int64_t dim0, int64_t dim1) const {
  return become(*this, transpose(dim0, dim1), "transpose_");
}

}  // namespace trivium::nn
