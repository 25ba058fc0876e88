// Views, rearranged copies, joining and cutting.
#include "python/src/args.h"
#include "python/src/tensor_type.h"
#include "trivium/notations/nn/tensor_memory.h"

namespace trivium::python {

namespace {

std::vector<Tensor> split(Args& a) {
  const int64_t dim = a.integer(2, 0);
  if (a.is_sequence(1)) return a.tensor(0).split(a.integers(1), dim);
  return a.tensor(0).split(a.integer(1), dim);
}

PyObject* view(Args& a) {
  if (a.variadic_count() == 1 && is_dtype(a.raw(1)))
    return wrap_shared(nn::view_bytes(a.tensor(0), *a.dtype(1)));
  return wrap(a.tensor(0).view(a.dims(1)));
}

}  // namespace

void define_shapes(Registry& r) {
  r.method("view", "input, *size", [](Args& a) { return view(a); });
  r.both("view_as", "input, other", [](Args& a) { return a.tensor(0).view_as(a.tensor(1)); });
  r.both("reshape", "input, *shape", [](Args& a) { return a.tensor(0).reshape(a.dims(1)); });
  r.method("reshape_as", "input, other",
           [](Args& a) { return a.tensor(0).reshape_as(a.tensor(1)); });
  r.both("flatten", "input, start_dim=, end_dim=", [](Args& a) {
    return a.tensor(0).flatten(a.integer(1, 0), a.integer(2, -1));
  });
  r.both("ravel", "input", [](Args& a) { return a.tensor(0).flatten(); });
  r.both("unflatten", "input, dim, sizes",
         [](Args& a) { return a.tensor(0).unflatten(a.integer(1), a.dims(2)); });
  r.both("squeeze", "input, dim=", [](Args& a) {
    return a.has(1) ? a.tensor(0).squeeze(a.dims(1)) : a.tensor(0).squeeze();
  });
  r.method("squeeze_", "input, dim=", [](Args& a) {
    return a.has(1) ? a.tensor(0).squeeze_(a.dims(1)) : a.tensor(0).squeeze_();
  });
  r.both("unsqueeze", "input, dim", [](Args& a) { return a.tensor(0).unsqueeze(a.integer(1)); });
  r.method("unsqueeze_", "input, dim",
           [](Args& a) { return a.tensor(0).unsqueeze_(a.integer(1)); });
  r.method("expand", "input, *size", [](Args& a) { return a.tensor(0).expand(a.dims(1)); });
  r.method("expand_as", "input, other", [](Args& a) { return a.tensor(0).expand_as(a.tensor(1)); });
  r.both("broadcast_to", "input, size",
         [](Args& a) { return a.tensor(0).broadcast_to(a.dims(1)); });
  r.both("transpose", "input, dim0, dim1",
         [](Args& a) { return a.tensor(0).transpose(a.integer(1), a.integer(2)); });
  r.alias("swapaxes");
  r.alias("swapdims");
  r.method("transpose_", "input, dim0, dim1",
           [](Args& a) { return a.tensor(0).transpose_(a.integer(1), a.integer(2)); });
  r.both("t", "input", [](Args& a) { return a.tensor(0).t(); });
  r.method("t_", "input", [](Args& a) { return a.tensor(0).t_(); });
  r.method("adjoint", "input", [](Args& a) { return a.tensor(0).mT(); });
  r.method("permute", "input, *dims", [](Args& a) { return a.tensor(0).permute(a.dims(1)); });
  r.function("permute", "input, dims", [](Args& a) { return a.tensor(0).permute(a.dims(1)); });
  r.both("movedim", "input, source, destination",
         [](Args& a) { return a.tensor(0).movedim(a.dims(1), a.dims(2)); });
  r.alias("moveaxis");
  r.both("narrow", "input, dim, start, length",
         [](Args& a) { return a.tensor(0).narrow(a.integer(1), a.integer(2), a.integer(3)); });
  r.both("select", "input, dim, index",
         [](Args& a) { return a.tensor(0).select(a.integer(1), a.integer(2)); });
  r.both("split", "input, split_size_or_sections, dim=", [](Args& a) { return split(a); });
  r.both("split_with_sizes", "input, split_sizes, dim=", [](Args& a) { return split(a); });
  r.both("chunk", "input, chunks, dim=", [](Args& a) {
    return a.tensor(0).chunk(a.integer(1), a.integer(2, 0));
  });
  r.both("tensor_split", "input, indices_or_sections, dim=", [](Args& a) {
    const Tensor& x = a.tensor(0);
    const int64_t dim = a.integer(2, 0);
    if (!a.is_sequence(1)) return x.tensor_split(a.integer(1), dim);
    std::vector<Tensor> parts;
    int64_t from = 0;
    for (int64_t to : a.integers(1)) {
      parts.push_back(x.slice(dim, from, to));
      from = to;
    }
    parts.push_back(x.slice(dim, from));
    return parts;
  });
  r.both("unbind", "input, dim=", [](Args& a) { return a.tensor(0).unbind(a.integer(1, 0)); });
  r.method("unfold", "input, dimension, size, step",
           [](Args& a) { return a.tensor(0).unfold(a.integer(1), a.integer(2), a.integer(3)); });
  r.both("as_strided", "input, size, stride, storage_offset=", [](Args& a) {
    return a.tensor(0).as_strided(a.dims(1), a.dims(2), a.opt_integer(3));
  });
  r.both("diagonal", "input, offset=, dim1=, dim2=", [](Args& a) {
    return a.tensor(0).diagonal(a.integer(1, 0), a.integer(2, 0), a.integer(3, 1));
  });
  r.both("diag", "input, diagonal=", [](Args& a) { return a.tensor(0).diag(a.integer(1, 0)); });
  r.both("diag_embed", "input, offset=, dim1=, dim2=", [](Args& a) {
    return a.tensor(0).diag_embed(a.integer(1, 0), a.integer(2, -2), a.integer(3, -1));
  });
  r.method("repeat", "input, *repeats", [](Args& a) { return a.tensor(0).repeat(a.dims(1)); });
  r.method("tile", "input, *dims", [](Args& a) { return a.tensor(0).tile(a.dims(1)); });
  r.function("tile", "input, dims", [](Args& a) { return a.tensor(0).tile(a.dims(1)); });
  r.both("repeat_interleave", "input, repeats, dim=, *, output_size=", [](Args& a) {
    return a.is_tensor(1) ? a.tensor(0).repeat_interleave(a.tensor(1), a.opt_integer(2))
                          : a.tensor(0).repeat_interleave(a.integer(1), a.opt_integer(2));
  });
  r.both("roll", "input, shifts, dims=", [](Args& a) {
    return a.tensor(0).roll(a.dims(1), a.dims(2, {}));
  });
  r.method("flip", "input, *dims", [](Args& a) { return a.tensor(0).flip(a.dims(1)); });
  r.function("flip", "input, dims", [](Args& a) { return a.tensor(0).flip(a.dims(1)); });
  r.both("fliplr", "input", [](Args& a) { return a.tensor(0).flip(1); });
  r.both("flipud", "input", [](Args& a) { return a.tensor(0).flip(0); });
  r.both("rot90", "input, k=, dims=", [](Args& a) {
    return a.tensor(0).rot90(a.integer(1, 1), a.dims(2, {0, 1}));
  });
  r.both("tril", "input, diagonal=", [](Args& a) { return a.tensor(0).tril(a.integer(1, 0)); });
  r.both("triu", "input, diagonal=", [](Args& a) { return a.tensor(0).triu(a.integer(1, 0)); });
  r.method("tril_", "input, diagonal=", [](Args& a) { return a.tensor(0).tril_(a.integer(1, 0)); });
  r.method("triu_", "input, diagonal=", [](Args& a) { return a.tensor(0).triu_(a.integer(1, 0)); });
  r.both("clone", "input", [](Args& a) { return a.tensor(0).clone(); });
  r.method("contiguous", "input", [](Args& a) { return a.tensor(0).contiguous(); });

  r.function("cat",
             "tensors, dim=", [](Args& a) { return nn::cat(a.tensors(0), a.integer(1, 0)); });
  r.alias("concat");
  r.alias("concatenate");
  r.function("stack",
             "tensors, dim=", [](Args& a) { return nn::stack(a.tensors(0), a.integer(1, 0)); });
  r.function("hstack", "tensors", [](Args& a) { return nn::hstack(a.tensors(0)); });
  r.function("vstack", "tensors", [](Args& a) { return nn::vstack(a.tensors(0)); });
  r.function("broadcast_tensors", "*tensors",
             [](Args& a) { return nn::broadcast_tensors(a.tensors(0)); });
  r.function("meshgrid", "*tensors, indexing=", [](Args& a) {
    return nn::meshgrid(a.tensors(0), a.text(1, "ij"));
  });
}

}  // namespace trivium::python
