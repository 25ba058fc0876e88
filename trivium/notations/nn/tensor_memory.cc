#include "trivium/notations/nn/tensor_memory.h"

#include "trivium/engine/record/strided.h"

namespace trivium::nn {
namespace {

/// Keeps the memory, and the place where the first tensor writes, for as long as the second lives.
struct Keeper {
  std::shared_ptr<Buffer> buffer;
  std::shared_ptr<void> token;
};

/// The shape of the same bytes in elements of another size.
Shape resized(const Shape& shape, size_t from, size_t to) {
  if (from == to) return shape;
  if (shape.rank() == 0)
    user_error("view: a tensor of rank 0 cannot change the size of its element, {} to {} bytes",
               from, to);
  std::vector<int64_t> dims = shape.vec();
  const int64_t bytes = dims.back() * static_cast<int64_t>(from);
  if (bytes % static_cast<int64_t>(to) != 0)
    user_error("view: the last dim of {} is {} bytes, no multiple of the {} of an element",
               shape.text(), bytes, to);
  dims.back() = bytes / static_cast<int64_t>(to);
  return Shape(dims);
}

}  // namespace

Tensor view_bytes(const Tensor& x, DType dtype) {
  if (dtype == x.dtype()) return x.view(x.shape());
  if (record::grad_enabled() && x.requires_grad())
    user_error("view: the bytes of a tensor that requires a gradient: detach() it first");
  const record::Var::Exported e = x.share();
  if (!record::is_row_major(e.shape, e.strides))
    user_error("view: elements of {} do not lie in order; call contiguous() first", e.shape.text());
  const size_t from = size_of(x.dtype()), to = size_of(dtype);
  const Shape shape = resized(e.shape, from, to);
  const size_t bytes = static_cast<size_t>(e.shape.count()) * from;
  char* raw = static_cast<char*>(e.base.raw()) + static_cast<size_t>(e.offset) * from;
  auto keeper = std::make_shared<Keeper>(Keeper{e.base.buffer(), e.token});
  Tensor alias(Array(shape, dtype, Buffer::wrap(raw, bytes, std::move(keeper))));
  alias.mark_foreign();
  return alias;
}

}  // namespace trivium::nn
