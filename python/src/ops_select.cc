// Choosing elements by index or mask, and writing to the places chosen.
#include "python/src/args.h"

namespace trivium::python {

void define_selection(Registry& r) {
  r.both("gather", "input, dim, index, *, sparse_grad=", [](Args& a) {
    return a.tensor(0).gather(a.integer(1), a.tensor(2));
  });
  r.both("index_select", "input, dim, index",
         [](Args& a) { return a.tensor(0).index_select(a.integer(1), a.tensor(2)); });
  r.both("take", "input, index", [](Args& a) { return a.tensor(0).take(a.tensor(1)); });
  r.both("take_along_dim", "input, indices, dim=", [](Args& a) {
    if (!a.has(2)) return a.tensor(0).flatten().take_along_dim(a.tensor(1).flatten(), 0);
    return a.tensor(0).take_along_dim(a.tensor(1), a.integer(2));
  });
  r.both("masked_select", "input, mask",
         [](Args& a) { return a.tensor(0).masked_select(a.tensor(1)); });
  r.both("nonzero", "input, *, as_tuple=", [](Args& a) -> PyObject* {
    if (a.flag(1)) return to_python(a.tensor(0).nonzero_tuple());
    return wrap(a.tensor(0).nonzero());
  });
  r.both("argwhere", "input", [](Args& a) { return a.tensor(0).nonzero(); });

  constexpr auto scatter = "input, dim, index, src=, *, value=, reduce=";
  r.both("scatter", scatter, [](Args& a) {
    const std::string reduce = a.text(5, "");
    if (a.is_tensor(3)) return a.tensor(0).scatter(a.integer(1), a.tensor(2), a.tensor(3), reduce);
    return a.tensor(0).scatter(a.integer(1), a.tensor(2), a.scalar(a.has(3) ? 3 : 4), reduce);
  });
  r.method("scatter_", scatter, [](Args& a) {
    const std::string reduce = a.text(5, "");
    if (a.is_tensor(3)) return a.tensor(0).scatter_(a.integer(1), a.tensor(2), a.tensor(3), reduce);
    return a.tensor(0).scatter_(a.integer(1), a.tensor(2), a.scalar(a.has(3) ? 3 : 4), reduce);
  });
  r.both("scatter_add", "input, dim, index, src",
         [](Args& a) { return a.tensor(0).scatter_add(a.integer(1), a.tensor(2), a.tensor(3)); });
  r.method("scatter_add_", "input, dim, index, src", [](Args& a) {
    return a.tensor(0).scatter_add_(a.integer(1), a.tensor(2), a.tensor(3));
  });
  constexpr auto reduce = "input, dim, index, src, reduce, *, include_self=";
  r.both("scatter_reduce", reduce, [](Args& a) {
    return a.tensor(0).scatter_reduce(a.integer(1), a.tensor(2), a.tensor(3), a.text(4),
                                      a.flag(5, true));
  });
  r.method("scatter_reduce_", reduce, [](Args& a) {
    return a.tensor(0).scatter_reduce_(a.integer(1), a.tensor(2), a.tensor(3), a.text(4),
                                       a.flag(5, true));
  });
  constexpr auto add = "input, dim, index, source, *, alpha=";
  r.both("index_add", add, [](Args& a) {
    return a.tensor(0).index_add(a.integer(1), a.tensor(2), a.tensor(3), a.scalar(4, 1));
  });
  r.method("index_add_", add, [](Args& a) {
    return a.tensor(0).index_add_(a.integer(1), a.tensor(2), a.tensor(3), a.scalar(4, 1));
  });
  constexpr auto copy = "input, dim, index, source";
  r.both("index_copy", copy,
         [](Args& a) { return a.tensor(0).index_copy(a.integer(1), a.tensor(2), a.tensor(3)); });
  r.method("index_copy_", copy,
           [](Args& a) { return a.tensor(0).index_copy_(a.integer(1), a.tensor(2), a.tensor(3)); });
  constexpr auto fill = "input, dim, index, value";
  r.both("index_fill", fill, [](Args& a) {
    return a.is_tensor(3) ? a.tensor(0).index_fill(a.integer(1), a.tensor(2), a.tensor(3))
                          : a.tensor(0).index_fill(a.integer(1), a.tensor(2), a.scalar(3));
  });
  r.method("index_fill_", fill, [](Args& a) {
    return a.is_tensor(3) ? a.tensor(0).index_fill_(a.integer(1), a.tensor(2), a.tensor(3))
                          : a.tensor(0).index_fill_(a.integer(1), a.tensor(2), a.scalar(3));
  });
  constexpr auto masked = "input, mask, value";
  r.both("masked_fill", masked, [](Args& a) {
    return a.is_tensor(2) ? a.tensor(0).masked_fill(a.tensor(1), a.tensor(2))
                          : a.tensor(0).masked_fill(a.tensor(1), a.scalar(2));
  });
  r.method("masked_fill_", masked, [](Args& a) {
    return a.is_tensor(2) ? a.tensor(0).masked_fill_(a.tensor(1), a.tensor(2))
                          : a.tensor(0).masked_fill_(a.tensor(1), a.scalar(2));
  });
  r.both("masked_scatter", "input, mask, source",
         [](Args& a) { return a.tensor(0).masked_scatter(a.tensor(1), a.tensor(2)); });
  r.method("masked_scatter_", "input, mask, source",
           [](Args& a) { return a.tensor(0).masked_scatter_(a.tensor(1), a.tensor(2)); });
  const auto put = [](Args& a) {
    std::vector<nn::TensorIndex> keys;
    for (const Tensor& t : a.tensors(1)) keys.emplace_back(t);
    return a.tensor(0).index_put_(keys, a.tensor(2), a.flag(3));
  };
  r.method("index_put_", "input, indices, values, accumulate=", put);
  r.both("index_put", "input, indices, values, accumulate=", [](Args& a) {
    std::vector<nn::TensorIndex> keys;
    for (const Tensor& t : a.tensors(1)) keys.emplace_back(t);
    return a.tensor(0).clone().index_put_(keys, a.tensor(2), a.flag(3));
  });
  r.method("zero_", "input", [](Args& a) { return a.tensor(0).zero_(); });
  r.method("fill_", "input, value", [](Args& a) {
    return a.is_tensor(1) ? a.tensor(0).fill_(a.tensor(1)) : a.tensor(0).fill_(a.scalar(1));
  });
  r.method("fill_diagonal_", "input, fill_value, wrap=", [](Args& a) {
    return a.tensor(0).fill_diagonal_(a.scalar(1));
  });
  r.method("copy_",
           "input, src, non_blocking=", [](Args& a) { return a.tensor(0).copy_(a.tensor(1)); });
}

}  // namespace trivium::python
