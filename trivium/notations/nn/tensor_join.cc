// Putting tensors together and rearranging copies of them.
#include <algorithm>
#include <numeric>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {
namespace {

/// All in the dtype they promote to.
std::vector<Tensor> alike(const std::vector<Tensor>& tensors) {
  bool same = true;
  for (const Tensor& t : tensors) same = same && t.dtype() == tensors[0].dtype();
  if (same) return tensors;
  const DType d = result_type(tensors);
  std::vector<Tensor> out;
  for (const Tensor& t : tensors) out.push_back(cast_to(t, d));
  return out;
}

/// `index` along axis, from the host.
Tensor taken(const Tensor& x, int axis, const std::vector<int64_t>& index) {
  return gather_rows(x, index_tensor(index), axis);
}

}  // namespace

Tensor cat(const std::vector<Tensor>& tensors, int64_t dim) {
  if (tensors.empty()) raise<ValueError>("cat: at least one tensor expected");
  std::vector<Tensor> parts;
  for (const Tensor& t : alike(tensors)) {
    // A 1-D tensor of nothing is left out whatever the others look like.
    if (t.shape().rank() == 1 && t.count() == 0 && tensors.size() > 1) continue;
    if (t.shape().rank() == 0)
      user_error("cat: tensors with dims expected, one has none; use stack()");
    parts.push_back(t);
  }
  if (parts.empty()) return tensors[0];
  const int rank = parts[0].shape().rank(), axis = wrap_dim(dim, rank, "cat");
  for (size_t i = 1; i < parts.size(); ++i) {
    const Shape &a = parts[0].shape(), &b = parts[i].shape();
    bool fits = b.rank() == rank;
    for (int k = 0; fits && k < rank; ++k) fits = k == axis || a[k] == b[k];
    if (!fits)
      user_error("cat: tensor {} of shape {} does not fit tensor 0 of shape {} along dim {}", i,
                 b.text(), a.text(), axis);
  }
  return parts.size() == 1 ? parts[0].clone() : concat(parts, axis);
}

Tensor stack(const std::vector<Tensor>& tensors, int64_t dim) {
  if (tensors.empty()) user_error("stack: at least one tensor expected");
  const Shape& first = tensors[0].shape();
  const int axis = wrap_dim(dim, first.rank() + 1, "stack");
  std::vector<Tensor> parts;
  for (const Tensor& t : tensors) {
    if (!(t.shape() == first))
      user_error("stack: tensors of one shape expected, {} and {} received", first.text(),
                 t.shape().text());
    parts.push_back(t.unsqueeze(axis));
  }
  return cat(parts, axis);
}

Tensor hstack(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> parts;
  for (const Tensor& t : tensors) parts.push_back(t.shape().rank() == 0 ? t.reshape({1}) : t);
  return cat(parts, !parts.empty() && parts[0].shape().rank() == 1 ? 0 : 1);
}

Tensor vstack(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> parts;
  for (const Tensor& t : tensors)
    parts.push_back(t.shape().rank() < 2 ? t.reshape({1, t.count()}) : t);
  return cat(parts, 0);
}

std::vector<Tensor> broadcast_tensors(const std::vector<Tensor>& tensors) {
  Shape shape;
  for (const Tensor& t : tensors) shape = broadcast_shapes(shape, t.shape());
  std::vector<Tensor> out;
  for (const Tensor& t : tensors) out.push_back(t.expand(shape));
  return out;
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& tensors, const std::string& indexing) {
  if (indexing != "ij" && indexing != "xy")
    user_error("meshgrid: indexing \"{}\" received; ij or xy expected", indexing);
  const int n = static_cast<int>(tensors.size());
  const bool swap = indexing == "xy" && n >= 2;
  Dims sizes;
  for (const Tensor& t : tensors) sizes.push_back(t.count());
  if (swap) std::swap(sizes[0], sizes[1]);
  std::vector<Tensor> out;
  for (int i = 0; i < n; ++i) {
    const int axis = swap && i < 2 ? 1 - i : i;
    Dims own;
    for (int k = 0; k < n; ++k)
      own.push_back(k == axis ? tensors[static_cast<size_t>(i)].count() : 1);
    out.push_back(tensors[static_cast<size_t>(i)].reshape(own).expand(sizes));
  }
  return out;
}

Tensor Tensor::repeat(const Dims& times) const {
  const int added = times.size() - shape().rank();
  if (added < 0)
    user_error("repeat: {} has fewer dims than the tensor, shape {}", times.text(), shape().text());
  Shape padded;
  for (int i = 0; i < added; ++i) padded.push_back(1);
  for (int64_t s : shape()) padded.push_back(s);
  Tensor x = reshaped(*this, padded);
  for (int i = 0; i < times.size(); ++i) {
    if (times[i] < 0) user_error("repeat: {} times received", times[i]);
    if (times[i] == 1) continue;
    if (times[i] == 0) {
      x = cut(x, i, 0, 0);
      continue;
    }
    x = concat(std::vector<Tensor>(static_cast<size_t>(times[i]), x), i);
  }
  return x.is_view() || x.same_as(*this) ? x.clone() : x;
}

Tensor Tensor::tile(const Dims& times) const {
  Dims full;
  for (int i = times.size(); i < shape().rank(); ++i) full.push_back(1);
  for (int64_t t : times) full.push_back(t);
  return repeat(full);
}

Tensor Tensor::repeat_interleave(int64_t repeats, std::optional<int64_t> dim) const {
  if (repeats < 0) user_error("repeat_interleave: {} repeats received", repeats);
  const Tensor x = dim ? *this : reshaped(*this, Shape{count()});
  const int axis = dim ? wrap_dim(*dim, shape().rank(), "repeat_interleave") : 0;
  std::vector<int64_t> at;
  for (int64_t i = 0; i < x.shape()[axis]; ++i)
    at.insert(at.end(), static_cast<size_t>(repeats), i);
  return taken(x, axis, at);
}

Tensor Tensor::repeat_interleave(const Tensor& repeats, std::optional<int64_t> dim) const {
  const Tensor x = dim ? *this : reshaped(*this, Shape{count()});
  const int axis = dim ? wrap_dim(*dim, shape().rank(), "repeat_interleave") : 0;
  std::vector<int64_t> times = host_integers(repeats);
  if (times.size() == 1) times.assign(static_cast<size_t>(x.shape()[axis]), times[0]);
  if (static_cast<int64_t>(times.size()) != x.shape()[axis])
    user_error("repeat_interleave: {} repeats for {} slices", times.size(), x.shape()[axis]);
  std::vector<int64_t> at;
  for (size_t i = 0; i < times.size(); ++i) {
    if (times[i] < 0) user_error("repeat_interleave: {} repeats received", times[i]);
    at.insert(at.end(), static_cast<size_t>(times[i]), static_cast<int64_t>(i));
  }
  return taken(x, axis, at);
}

Tensor Tensor::roll(const Dims& shifts, const Dims& dims) const {
  if (dims.empty()) {
    if (shifts.size() != 1) user_error("roll: one shift expected without dims");
    return reshape_view(reshaped(*this, Shape{count()}).roll(shifts, {0}), shape());
  }
  if (shifts.size() != dims.size())
    user_error("roll: {} shifts for {} dims", shifts.size(), dims.size());
  Tensor x = *this;
  for (int i = 0; i < dims.size(); ++i) {
    const int axis = wrap_dim(dims[i], shape().rank(), "roll");
    const int64_t size = shape()[axis];
    if (size == 0) continue;
    const int64_t from = ((-shifts[i] % size) + size) % size;
    if (from != 0) x = concat({cut(x, axis, from, size), cut(x, axis, 0, from)}, axis);
  }
  return x.same_as(*this) ? clone() : x;
}

Tensor Tensor::flip(const Dims& dims) const {
  if (dims.empty()) return clone();
  const Dims axes = wrap_dims(dims, shape().rank(), "flip");
  if (shape().rank() == 0) return clone();
  start_engine();
  const record::Call* c =
      record::call_by_key(OpRegistry::instance().get("flip"), axes.span(),
                          [](const OpDef&, std::span<const int64_t> k) {
                            return Attrs{{"axes", std::vector<int64_t>(k.begin(), k.end())}};
                          });
  return record::apply(c, {*this});
}

Tensor Tensor::rot90(int64_t k, const Dims& dims) const {
  if (dims.size() != 2) user_error("rot90: two dims expected, {} received", dims.text());
  const int64_t turns = ((k % 4) + 4) % 4;
  if (turns == 0) return clone();
  if (turns == 2) return flip(dims);
  if (turns == 1) return flip(dims[1]).transpose(dims[0], dims[1]);
  return transpose(dims[0], dims[1]).flip(dims[1]);
}

namespace {

/// Mask of the entries of a matrix on and below (above) a diagonal.
Tensor triangle(int64_t rows, int64_t columns, int64_t diagonal, bool lower) {
  Array mask(Shape{rows, columns}, DType::bool_);
  bool* m = mask.data<bool>();
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      m[i * columns + j] = lower ? j - i <= diagonal : j - i >= diagonal;
  return Tensor(mask);
}

Tensor in_triangle(const Tensor& x, int64_t diagonal, bool lower, const char* op) {
  if (x.shape().rank() < 2)
    user_error("{}: two dims or more expected, shape {} received", op, x.shape().text());
  return pick(triangle(x.shape()[-2], x.shape()[-1], diagonal, lower), x, number_of(0, x.dtype()));
}

}  // namespace

Tensor Tensor::tril(int64_t diagonal) const { return in_triangle(*this, diagonal, true, "tril"); }
Tensor Tensor::triu(int64_t diagonal) const { return in_triangle(*this, diagonal, false, "triu"); }

Tensor Tensor::diag(int64_t diagonal) const {
  if (shape().rank() == 1) return diag_embed(diagonal);
  if (shape().rank() == 2) return this->diagonal(diagonal).clone();
  user_error("diag: one or two dims expected, shape {} received", shape().text());
}

Tensor Tensor::diag_embed(int64_t offset, int64_t dim1, int64_t dim2) const {
  const int rank = shape().rank() + 1;
  const int a = wrap_dim(dim1, rank, "diag_embed"), b = wrap_dim(dim2, rank, "diag_embed");
  if (a == b) user_error("diag_embed: two different dims expected");
  const int64_t n = shape()[-1] + std::abs(offset);
  const int64_t above = std::max<int64_t>(offset, 0), below = std::max<int64_t>(-offset, 0);
  // Every element spread over its row, of which the diagonal is kept.
  Shape to = shape();
  to.push_back(n);
  Tensor x = *this;
  const auto zeros = [&](int64_t count) {
    Shape s = shape();
    s.set(-1, count);
    return broadcast(number_of(0, dtype()), s);
  };
  if (offset != 0)
    x = concat(
        offset > 0 ? std::vector<Tensor>{x, zeros(offset)} : std::vector<Tensor>{zeros(-offset), x},
        shape().rank() - 1);
  to.set(-2, n);
  const Tensor rows = broadcast(x.unsqueeze(-1), to);
  Array mask = Array::zeros(Shape{n, n}, DType::bool_);
  for (int64_t i = 0; i < shape()[-1]; ++i) mask.data<bool>()[(i + below) * n + i + above] = true;
  const Tensor y = pick(Tensor(mask), rows, number_of(0, dtype()));
  return y.movedim({-2, -1}, {dim1, dim2});
}

Tensor Tensor::unfold(int64_t dim, int64_t size, int64_t step) const {
  const int rank = shape().rank(), axis = wrap_dim(dim, rank, "unfold");
  const int64_t length = rank ? shape()[axis] : 1;
  if (size < 0 || size > length || step < 1)
    user_error("unfold: windows of {} every {} of {} elements", size, step, length);
  const int64_t windows = (length - size) / step + 1;
  std::vector<int64_t> at;
  for (int64_t w = 0; w < windows; ++w)
    for (int64_t i = 0; i < size; ++i) at.push_back(w * step + i);
  const Tensor x = rank ? *this : reshape_view(*this, Shape{1});
  const Tensor y = gather_rows(x, index_tensor(at, Shape{windows, size}), axis);
  return rank ? y.movedim(axis + 1, -1) : y.squeeze(0);
}

}  // namespace trivium::nn
