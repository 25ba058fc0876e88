// Reductions, sorting and what chooses along an axis.
#include "python/src/args.h"

namespace trivium::python {

namespace {

/// dim of var and std, and the correction under its three names.
struct Spread {
  Dims dims;
  double correction = 1;
  bool keepdim;
  explicit Spread(Args& a) {
    PyObject* first = a.raw(1);
    if (first && PyBool_Check(first)) {  // var(unbiased)
      correction = first == Py_True;
    } else if (a.has(1)) {
      dims = a.dims(1);
    }
    if (a.has(2)) {
      PyObject* u = a.raw(2);
      correction = PyBool_Check(u) ? u == Py_True : a.real(2);
    }
    keepdim = a.flag(3);
  }
};

}  // namespace

#define TRIVIUM_EXTREME(name, other_op)                                              \
  r.both(#name, "input, dim=, keepdim=, *, other=", [](Args& a) -> PyObject* {       \
    if (a.is_tensor(1) && !a.has(2)) return wrap(a.tensor(0).other_op(a.tensor(1))); \
    if (a.has(3)) return wrap(a.tensor(0).other_op(a.tensor(3)));                    \
    if (!a.has(1)) return wrap(a.tensor(0).name());                                  \
    return named(#name, a.tensor(0).name(a.integer(1), a.flag(2)));                  \
  })

void define_reductions(Registry& r) {
  constexpr auto with_dtype = "input, dim=, keepdim=, *, dtype=";
  r.both("sum", with_dtype,
         [](Args& a) { return a.tensor(0).sum(a.dims(1, {}), a.flag(2), a.dtype(3)); });
  r.both("mean", with_dtype,
         [](Args& a) { return a.tensor(0).mean(a.dims(1, {}), a.flag(2), a.dtype(3)); });
  r.both("nansum", with_dtype,
         [](Args& a) { return a.tensor(0).nansum(a.dims(1, {}), a.flag(2)); });
  r.both("nanmean", with_dtype, [](Args& a) {
    const Tensor& x = a.tensor(0);
    const Tensor known = x.isnan().logical_not().sum(a.dims(1, {}), a.flag(2));
    return x.nansum(a.dims(1, {}), a.flag(2)).div(known);
  });
  r.both("prod", with_dtype, [](Args& a) {
    return a.has(1) ? a.tensor(0).prod(a.integer(1), a.flag(2), a.dtype(3))
                    : a.tensor(0).prod(a.dtype(3));
  });
  TRIVIUM_EXTREME(max, maximum);
  TRIVIUM_EXTREME(min, minimum);
  constexpr auto plain = "input, dim=, keepdim=";
  r.both("amax", plain, [](Args& a) { return a.tensor(0).amax(a.dims(1, {}), a.flag(2)); });
  r.both("amin", plain, [](Args& a) { return a.tensor(0).amin(a.dims(1, {}), a.flag(2)); });
  r.both("aminmax", "input, *, dim=, keepdim=", [](Args& a) {
    return a.tensor(0).aminmax(a.opt_integer(1), a.flag(2));
  });
  r.both("argmax", plain, [](Args& a) { return a.tensor(0).argmax(a.opt_integer(1), a.flag(2)); });
  r.both("argmin", plain, [](Args& a) { return a.tensor(0).argmin(a.opt_integer(1), a.flag(2)); });
  r.both("all", plain, [](Args& a) { return a.tensor(0).all(a.dims(1, {}), a.flag(2)); });
  r.both("any", plain, [](Args& a) { return a.tensor(0).any(a.dims(1, {}), a.flag(2)); });
  r.both("norm", "input, p=, dim=, keepdim=, dtype=", [](Args& a) {
    Scalar p = 2;
    if (a.has(1)) {
      if (PyUnicode_Check(a.raw(1))) {
        if (const std::string name = a.text(1); name == "inf")
          p = HUGE_VAL;
        else if (name != "fro")
          a.wrong(1, "a number, 'fro' or 'inf'");
      } else {
        p = a.scalar(1);
      }
    }
    const Tensor x = a.has(4) ? a.tensor(0).to(*a.dtype(4)) : a.tensor(0);
    return x.norm(p, a.dims(2, {}), a.flag(3));
  });
  constexpr auto spread = "input, dim=, unbiased=, keepdim=";
  r.both("var", spread, [](Args& a) {
    const Spread s(a);
    return a.tensor(0).var_correction(s.dims, s.correction, s.keepdim);
  });
  r.both("std", spread, [](Args& a) {
    const Spread s(a);
    return a.tensor(0).var_correction(s.dims, s.correction, s.keepdim).sqrt();
  });
  r.function("var_mean", spread, [](Args& a) {
    const Spread s(a);
    return nn::var_mean(a.tensor(0), s.dims, s.correction != 0, s.keepdim);
  });
  r.function("std_mean", spread, [](Args& a) {
    const Spread s(a);
    auto [var, mean] = nn::var_mean(a.tensor(0), s.dims, s.correction != 0, s.keepdim);
    return std::pair<Tensor, Tensor>(var.sqrt(), mean);
  });
  r.both("logsumexp", "input, dim, keepdim=", [](Args& a) {
    return a.tensor(0).logsumexp(a.dims(1), a.flag(2));
  });
  r.both("count_nonzero",
         "input, dim=", [](Args& a) { return a.tensor(0).count_nonzero(a.dims(1, {})); });
  r.both("cumsum", "input, dim, *, dtype=", [](Args& a) {
    return a.tensor(0).cumsum(a.integer(1), a.dtype(2));
  });
  r.both("cumprod", "input, dim, *, dtype=", [](Args& a) {
    return a.tensor(0).cumprod(a.integer(1), a.dtype(2));
  });
  r.both("cummax", "input, dim",
         [](Args& a) { return named("cummax", a.tensor(0).cummax(a.integer(1))); });
  r.both("cummin", "input, dim",
         [](Args& a) { return named("cummin", a.tensor(0).cummin(a.integer(1))); });
  r.both("median", plain, [](Args& a) -> PyObject* {
    if (!a.has(1)) return wrap(a.tensor(0).median());
    return named("median", a.tensor(0).median(a.integer(1), a.flag(2)));
  });
  r.both("nanmedian", "input", [](Args& a) { return a.tensor(0).nanmedian(); });
  r.both("mode", plain,
         [](Args& a) { return named("mode", a.tensor(0).mode(a.integer(1, -1), a.flag(2))); });
  r.both("topk", "input, k, dim=, largest=, sorted=", [](Args& a) {
    return named(
        "topk", a.tensor(0).topk(a.integer(1), a.integer(2, -1), a.flag(3, true), a.flag(4, true)));
  });
  r.both("sort", "input, dim=, descending=, stable=", [](Args& a) {
    return named("sort", a.tensor(0).sort(a.integer(1, -1), a.flag(2), a.flag(3, true)));
  });
  r.both("argsort", "input, dim=, descending=, stable=", [](Args& a) {
    return a.tensor(0).argsort(a.integer(1, -1), a.flag(2));
  });
  r.function("msort", "input", [](Args& a) { return a.tensor(0).sort(0).values; });
  r.both("kthvalue", "input, k, dim=, keepdim=", [](Args& a) {
    return named("kthvalue", a.tensor(0).kthvalue(a.integer(1), a.integer(2, -1), a.flag(3)));
  });
  r.both("bincount", "input, weights=, minlength=", [](Args& a) {
    return a.tensor(0).bincount(a.opt_tensor(1), a.integer(2, 0));
  });
  r.both("histc", "input, bins=, min=, max=", [](Args& a) {
    return a.tensor(0).histc(a.integer(1, 100), a.real(2, 0), a.real(3, 0));
  });
  r.both("softmax", "input, dim, dtype=", [](Args& a) {
    return a.tensor(0).softmax(a.integer(1), a.dtype(2));
  });
  r.both("log_softmax", "input, dim, dtype=", [](Args& a) {
    return a.tensor(0).log_softmax(a.integer(1), a.dtype(2));
  });
  const auto unique = [](Args& a) -> PyObject* {
    const nn::Unique u = nn::unique(a.tensor(0), a.opt_integer(4));
    const bool inverse = a.flag(2), counts = a.flag(3);
    if (inverse && counts) return to_python(std::vector<Tensor>{u.values, u.inverse, u.counts});
    if (inverse) return to_python(std::vector<Tensor>{u.values, u.inverse});
    if (counts) return to_python(std::vector<Tensor>{u.values, u.counts});
    return wrap(u.values);
  };
  r.both("unique", "input, sorted=, return_inverse=, return_counts=, dim=", unique);
  r.both("unique_consecutive", "input, return_inverse=, return_counts=", [](Args& a) -> PyObject* {
    const nn::Unique u = nn::unique_consecutive(a.tensor(0));
    std::vector<Tensor> wanted{u.values};
    if (a.flag(1)) wanted.push_back(u.inverse);
    if (a.flag(2)) wanted.push_back(u.counts);
    return wanted.size() == 1 ? wrap(u.values) : to_python(wanted);
  });
  r.function("searchsorted", "input, values, *, right=, side=", [](Args& a) {
    const bool right = a.flag(2) || a.text(3, "left") == "right";
    const Tensor v = a.is_tensor(1) ? a.tensor(1) : nn::full({}, a.scalar(1));
    return nn::searchsorted(a.tensor(0), v, right);
  });
  r.function("bucketize", "input, boundaries, *, right=", [](Args& a) {
    return nn::searchsorted(a.tensor(1), a.tensor(0), a.flag(2));
  });
}
#undef TRIVIUM_EXTREME

}  // namespace trivium::python
