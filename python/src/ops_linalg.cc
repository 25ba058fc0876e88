// Products of matrices, and the einsum family.
#include "python/src/args.h"

namespace trivium::python {

namespace {

/// beta, input, alpha, a, b of addmm and its like, also in the old positional order.
struct Product {
  Tensor input, a, b;
  Scalar beta = 1, alpha = 1;
  explicit Product(Args& args) {
    if (args.has(3) && args.has(4)) {  // method old: input, beta, alpha, a, b
      input = args.tensor(0);
      beta = args.scalar(1);
      alpha = args.scalar(2);
      a = args.tensor(3);
      b = args.tensor(4);
    } else if (args.has(3)) {
      if (args.is_tensor(0)) {  // input, beta, a, b
        input = args.tensor(0);
        beta = args.scalar(1);
      } else {  // beta, input, a, b
        beta = args.scalar(0);
        input = args.tensor(1);
      }
      a = args.tensor(2);
      b = args.tensor(3);
    } else {
      input = args.tensor(0);
      a = args.tensor(1);
      b = args.tensor(2);
    }
    if (args.has(5)) beta = args.scalar(5);
    if (args.has(6)) alpha = args.scalar(6);
  }
};

}  // namespace

#define TRIVIUM_MATRIX(name, other) \
  r.both(#name, "input, " other, [](Args& a) { return a.tensor(0).name(a.tensor(1)); })
#define TRIVIUM_PRODUCT(name, one, two)                                                        \
  r.both(#name, "input, " one ", " two ", old=, older=, *, beta=, alpha=", [](Args& a) {       \
    const Product p(a);                                                                        \
    return p.input.name(p.a, p.b, p.beta, p.alpha);                                            \
  });                                                                                          \
  r.method(#name "_", "input, " one ", " two ", old=, older=, *, beta=, alpha=", [](Args& a) { \
    const Product p(a);                                                                        \
    return p.input.copy_(p.input.name(p.a, p.b, p.beta, p.alpha));                             \
  })

void define_linear_algebra(Registry& r) {
  TRIVIUM_MATRIX(matmul, "other");
  TRIVIUM_MATRIX(mm, "mat2");
  TRIVIUM_MATRIX(mv, "vec");
  TRIVIUM_MATRIX(bmm, "mat2");
  TRIVIUM_MATRIX(dot, "tensor");
  r.alias("inner");
  TRIVIUM_MATRIX(outer, "vec2");
  TRIVIUM_MATRIX(ger, "vec2");
  TRIVIUM_PRODUCT(addmm, "mat1", "mat2");
  TRIVIUM_PRODUCT(addmv, "mat", "vec");
  TRIVIUM_PRODUCT(addbmm, "batch1", "batch2");
  TRIVIUM_PRODUCT(baddbmm, "batch1", "batch2");
  TRIVIUM_PRODUCT(addr, "vec1", "vec2");
  r.both("trace", "input", [](Args& a) { return a.tensor(0).trace(); });
  r.function("einsum", "equation, *operands",
             [](Args& a) { return nn::einsum(a.text(0), a.tensors(1)); });
  r.function("tensordot", "input, other, dims=", [](Args& a) {
    const Tensor &x = a.tensor(0), &y = a.tensor(1);
    if (a.is_sequence(2)) {
      PyObject* pair = a.raw(2);
      nb::object first = nb::steal(PySequence_GetItem(pair, 0));
      nb::object second = nb::steal(PySequence_GetItem(pair, 1));
      check(first.is_valid() && second.is_valid());
      return nn::tensordot(x, y, dims_of(first.ptr()), dims_of(second.ptr()));
    }
    const int64_t n = a.integer(2, 2);
    Dims last, begin;
    for (int64_t i = 0; i < n; ++i) {
      last.push_back(x.dim() - n + i);
      begin.push_back(i);
    }
    return nn::tensordot(x, y, last, begin);
  });
  r.function("cdist", "input, other, p=", [](Args& a) {
    return nn::cdist(a.tensor(0), a.tensor(1), a.real(2, 2));
  });
}

}  // namespace trivium::python
