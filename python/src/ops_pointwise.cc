// Functions of one element and their in-place forms, comparisons, arithmetic with old argument
// orders.
#include "python/src/args.h"
#include "trivium/notations/nn/functional.h"

namespace trivium::python {

namespace F = nn::functional;

#define TRIVIUM_UNARY(name)                                           \
  r.both(#name, "input", [](Args& a) { return a.tensor(0).name(); }); \
  r.both(#name "_", "input", [](Args& a) { return a.tensor(0).name##_(); })
#define TRIVIUM_UNARY_ONLY(name) r.both(#name, "input", [](Args& a) { return a.tensor(0).name(); })
/// In place where the library has no function of that name.
#define TRIVIUM_UNARY_COPY(name)                                      \
  r.both(#name, "input", [](Args& a) { return a.tensor(0).name(); }); \
  r.both(#name "_", "input", [](Args& a) { return a.tensor(0).copy_(a.tensor(0).name()); })

void define_pointwise(Registry& r) {
  TRIVIUM_UNARY(neg);
  r.alias("negative_");
  TRIVIUM_UNARY_ONLY(negative);
  TRIVIUM_UNARY(abs);
  TRIVIUM_UNARY_ONLY(absolute);
  TRIVIUM_UNARY(sign);
  TRIVIUM_UNARY(exp);
  TRIVIUM_UNARY(exp2);
  TRIVIUM_UNARY(expm1);
  TRIVIUM_UNARY(log);
  TRIVIUM_UNARY(log1p);
  TRIVIUM_UNARY(log2);
  TRIVIUM_UNARY(log10);
  TRIVIUM_UNARY(sqrt);
  TRIVIUM_UNARY(rsqrt);
  TRIVIUM_UNARY(square);
  TRIVIUM_UNARY(reciprocal);
  TRIVIUM_UNARY(sin);
  TRIVIUM_UNARY(cos);
  TRIVIUM_UNARY(tan);
  TRIVIUM_UNARY(asin);
  r.alias("arcsin_");
  TRIVIUM_UNARY(acos);
  TRIVIUM_UNARY(atan);
  TRIVIUM_UNARY(sinh);
  TRIVIUM_UNARY(cosh);
  TRIVIUM_UNARY_COPY(asinh);
  TRIVIUM_UNARY_COPY(acosh);
  TRIVIUM_UNARY_COPY(atanh);
  TRIVIUM_UNARY(tanh);
  TRIVIUM_UNARY(sigmoid);
  TRIVIUM_UNARY(erf);
  TRIVIUM_UNARY(erfc);
  TRIVIUM_UNARY(erfinv);
  TRIVIUM_UNARY_ONLY(lgamma);
  TRIVIUM_UNARY_ONLY(digamma);
  TRIVIUM_UNARY(floor);
  TRIVIUM_UNARY(ceil);
  TRIVIUM_UNARY(trunc);
  r.alias("fix_");
  TRIVIUM_UNARY(frac);
  TRIVIUM_UNARY(relu);
  TRIVIUM_UNARY_COPY(logit);
  TRIVIUM_UNARY(logical_not);
  TRIVIUM_UNARY(bitwise_not);
  TRIVIUM_UNARY_ONLY(isnan);
  TRIVIUM_UNARY_ONLY(isinf);
  TRIVIUM_UNARY_ONLY(isfinite);
  r.both("round",
         "input, *, decimals=", [](Args& a) { return a.tensor(0).round(a.integer(1, 0)); });
  r.both("round_", "input", [](Args& a) { return a.tensor(0).round_(); });
  r.both("nan_to_num", "input, nan=, posinf=, neginf=", [](Args& a) {
    return a.tensor(0).nan_to_num(a.real(1, 0), a.opt_real(2), a.opt_real(3));
  });
  r.both("nan_to_num_", "input, nan=, posinf=, neginf=", [](Args& a) {
    return a.tensor(0).nan_to_num_(a.real(1, 0), a.opt_real(2), a.opt_real(3));
  });
  r.function("deg2rad", "input",
             [](Args& a) { return a.tensor(0).mul(Scalar(3.14159265358979323846 / 180)); });
  r.function("rad2deg", "input",
             [](Args& a) { return a.tensor(0).mul(Scalar(180 / 3.14159265358979323846)); });

  const auto clamp = [](Args& a) {
    if (a.is_tensor(1) || a.is_tensor(2))
      return a.tensor(0).clamp(a.opt_tensor(1), a.opt_tensor(2));
    return a.tensor(0).clamp(a.opt_scalar(1), a.opt_scalar(2));
  };
  r.both("clamp", "input, min=, max=", clamp);
  r.alias("clip");
  r.both("clamp_", "input, min=, max=", [](Args& a) {
    if (a.is_tensor(1) || a.is_tensor(2))
      return a.tensor(0).clamp_(a.opt_tensor(1), a.opt_tensor(2));
    return a.tensor(0).clamp_(a.opt_scalar(1), a.opt_scalar(2));
  });
  r.alias("clip_");
  r.both("clamp_min", "input, min", [](Args& a) {
    return a.is_tensor(1) ? a.tensor(0).clamp(a.tensor(1)) : a.tensor(0).clamp_min(a.scalar(1));
  });
  r.both("clamp_max", "input, max", [](Args& a) {
    return a.is_tensor(1) ? a.tensor(0).clamp({}, a.tensor(1)) : a.tensor(0).clamp_max(a.scalar(1));
  });
  r.both("clamp_min_", "input, min", [](Args& a) { return a.tensor(0).clamp_min_(a.scalar(1)); });
  r.both("clamp_max_", "input, max", [](Args& a) { return a.tensor(0).clamp_max_(a.scalar(1)); });
}
#undef TRIVIUM_UNARY
#undef TRIVIUM_UNARY_ONLY
#undef TRIVIUM_UNARY_COPY

namespace {

/// other and alpha of add(input, other, alpha=), also in the old order add(input, alpha, other).
struct Addend {
  Tensor tensor;
  Scalar number, alpha = 1;
  explicit Addend(Args& a) {
    int other = 1;
    if (a.has(2)) {
      alpha = a.scalar(1);
      other = 2;
    } else if (a.has(3)) {
      alpha = a.scalar(3);
    }
    if (a.is_tensor(other))
      tensor = a.tensor(other);
    else
      number = a.scalar(other);
  }
};

/// A number in the place of a first tensor.
Tensor first_tensor(Args& a) {
  if (a.is_tensor(0)) return a.tensor(0);
  return nn::full({}, a.scalar(0));
}

/// value, tensor1, tensor2 of addcmul, in both orders.
struct Fused {
  Tensor one, two;
  Scalar value = 1;
  explicit Fused(Args& a) {
    const bool old = a.has(3);
    one = a.tensor(old ? 2 : 1);
    two = a.tensor(old ? 3 : 2);
    if (old)
      value = a.scalar(1);
    else if (a.has(4))
      value = a.scalar(4);
  }
};

}  // namespace

#define TRIVIUM_ADD(name)                                                                    \
  r.both(#name, "input, other, old=, *, alpha=", [](Args& a) {                               \
    const Addend b(a);                                                                       \
    const Tensor x = first_tensor(a);                                                        \
    return b.tensor.defined() ? x.name(b.tensor, b.alpha) : x.name(b.number, b.alpha);       \
  });                                                                                        \
  r.method(#name "_", "input, other, old=, *, alpha=", [](Args& a) {                         \
    const Addend b(a);                                                                       \
    const Tensor& x = a.tensor(0);                                                           \
    return b.tensor.defined() ? x.name##_(b.tensor, b.alpha) : x.name##_(b.number, b.alpha); \
  })
#define TRIVIUM_TWO(name)                                                                        \
  r.both(#name, "input, other", [](Args& a) {                                                    \
    if (a.is_tensor(1))                                                                          \
      return a.is_tensor(0) ? a.tensor(0).name(a.tensor(1)) : first_tensor(a).name(a.tensor(1)); \
    return first_tensor(a).name(a.scalar(1));                                                    \
  })
#define TRIVIUM_TWO_IN_PLACE(name)                                                               \
  r.method(#name "_", "input, other", [](Args& a) {                                              \
    return a.is_tensor(1) ? a.tensor(0).name##_(a.tensor(1)) : a.tensor(0).name##_(a.scalar(1)); \
  })
#define TRIVIUM_TENSORS(name) \
  r.both(#name, "input, other", [](Args& a) { return a.tensor(0).name(a.tensor(1)); })

void define_binary(Registry& r) {
  TRIVIUM_ADD(add);
  TRIVIUM_ADD(sub);
  r.both("subtract", "input, other, old=, *, alpha=", [](Args& a) {
    const Addend b(a);
    const Tensor x = first_tensor(a);
    return b.tensor.defined() ? x.sub(b.tensor, b.alpha) : x.sub(b.number, b.alpha);
  });
  r.both("rsub", "input, other", [](Args& a) {
    return a.is_tensor(1) ? a.tensor(1).sub(a.tensor(0)) : a.tensor(0).rsub(a.scalar(1));
  });
  TRIVIUM_TWO(mul);
  r.alias("multiply");
  TRIVIUM_TWO_IN_PLACE(mul);
  r.alias("multiply_");
  r.both("div", "input, other, *, rounding_mode=", [](Args& a) {
    const std::string mode = a.text(2, "");
    const Tensor x = first_tensor(a);
    return a.is_tensor(1) ? x.div(a.tensor(1), mode) : x.div(a.scalar(1), mode);
  });
  r.alias("divide");
  r.alias("true_divide");
  r.method("div_", "input, other, *, rounding_mode=", [](Args& a) {
    const std::string mode = a.text(2, "");
    return a.is_tensor(1) ? a.tensor(0).div_(a.tensor(1), mode)
                          : a.tensor(0).div_(a.scalar(1), mode);
  });
  r.alias("divide_");
  r.alias("true_divide_");
  TRIVIUM_TWO(floor_divide);
  TRIVIUM_TWO_IN_PLACE(floor_divide);
  TRIVIUM_TWO(remainder);
  TRIVIUM_TWO_IN_PLACE(remainder);
  TRIVIUM_TWO(fmod);
  TRIVIUM_TWO_IN_PLACE(fmod);
  r.both("pow", "input, exponent", [](Args& a) {
    if (!a.is_tensor(0)) return a.tensor(1).rpow(a.scalar(0));
    return a.is_tensor(1) ? a.tensor(0).pow(a.tensor(1)) : a.tensor(0).pow(a.scalar(1));
  });
  r.method("pow_", "input, exponent", [](Args& a) {
    return a.is_tensor(1) ? a.tensor(0).pow_(a.tensor(1)) : a.tensor(0).pow_(a.scalar(1));
  });
  TRIVIUM_TENSORS(maximum);
  TRIVIUM_TENSORS(minimum);
  TRIVIUM_TENSORS(fmax);
  TRIVIUM_TENSORS(fmin);
  TRIVIUM_TENSORS(atan2);
  r.alias("arctan2");
  TRIVIUM_TENSORS(hypot);
  TRIVIUM_TENSORS(logaddexp);
  r.both("xlogy", "input, other", [](Args& a) {
    const Tensor x = first_tensor(a);
    return x.xlogy(a.is_tensor(1) ? a.tensor(1) : nn::full({}, a.scalar(1)));
  });
  TRIVIUM_TWO(eq);
  TRIVIUM_TWO(ne);
  r.alias("not_equal");
  TRIVIUM_TWO(lt);
  r.alias("less");
  TRIVIUM_TWO(le);
  r.alias("less_equal");
  TRIVIUM_TWO(gt);
  r.alias("greater");
  TRIVIUM_TWO(ge);
  r.alias("greater_equal");
  TRIVIUM_TWO_IN_PLACE(eq);
  TRIVIUM_TWO_IN_PLACE(ne);
  TRIVIUM_TWO_IN_PLACE(lt);
  TRIVIUM_TWO_IN_PLACE(le);
  TRIVIUM_TWO_IN_PLACE(gt);
  TRIVIUM_TWO_IN_PLACE(ge);
  TRIVIUM_TENSORS(logical_and);
  TRIVIUM_TENSORS(logical_or);
  TRIVIUM_TENSORS(logical_xor);
  TRIVIUM_TWO(bitwise_and);
  TRIVIUM_TWO(bitwise_or);
  TRIVIUM_TWO(bitwise_xor);
  TRIVIUM_TWO(bitwise_left_shift);
  TRIVIUM_TWO(bitwise_right_shift);
#define TRIVIUM_TENSORS_IN_PLACE(name) \
  r.method(#name "_", "input, other", [](Args& a) { return a.tensor(0).name##_(a.tensor(1)); })
  TRIVIUM_TENSORS_IN_PLACE(logical_and);
  TRIVIUM_TENSORS_IN_PLACE(logical_or);
  TRIVIUM_TENSORS_IN_PLACE(logical_xor);
  TRIVIUM_TENSORS_IN_PLACE(bitwise_and);
  TRIVIUM_TENSORS_IN_PLACE(bitwise_or);
  TRIVIUM_TENSORS_IN_PLACE(bitwise_xor);
#undef TRIVIUM_TENSORS_IN_PLACE

  constexpr auto fused = "input, tensor1, tensor2, old=, *, value=";
  r.both("addcmul", fused, [](Args& a) {
    const Fused f(a);
    return a.tensor(0).addcmul(f.one, f.two, f.value);
  });
  r.both("addcdiv", fused, [](Args& a) {
    const Fused f(a);
    return a.tensor(0).addcdiv(f.one, f.two, f.value);
  });
  r.method("addcmul_", fused, [](Args& a) {
    const Fused f(a);
    return a.tensor(0).addcmul_(f.one, f.two, f.value);
  });
  r.method("addcdiv_", fused, [](Args& a) {
    const Fused f(a);
    return a.tensor(0).addcdiv_(f.one, f.two, f.value);
  });
  r.both("lerp", "input, end, weight", [](Args& a) {
    return a.is_tensor(2) ? a.tensor(0).lerp(a.tensor(1), a.tensor(2))
                          : a.tensor(0).lerp(a.tensor(1), a.scalar(2));
  });
  r.method("lerp_", "input, end, weight", [](Args& a) {
    return a.is_tensor(2) ? a.tensor(0).lerp_(a.tensor(1), a.tensor(2))
                          : a.tensor(0).lerp_(a.tensor(1), a.scalar(2));
  });
  r.function("where", "condition, input=, other=", [](Args& a) -> PyObject* {
    const Tensor& c = a.tensor(0);
    if (!a.has(1) && !a.has(2)) return to_python(nn::where(c));
    if (a.is_tensor(1) && a.is_tensor(2)) return wrap(nn::where(c, a.tensor(1), a.tensor(2)));
    if (a.is_tensor(1)) return wrap(nn::where(c, a.tensor(1), a.scalar(2)));
    if (a.is_tensor(2)) return wrap(nn::where(c, a.scalar(1), a.tensor(2)));
    return wrap(nn::where(c, a.scalar(1), a.scalar(2)));
  });
  r.method("where", "input, condition, other", [](Args& a) {
    return a.is_tensor(2) ? a.tensor(0).where(a.tensor(1), a.tensor(2))
                          : a.tensor(0).where(a.tensor(1), a.scalar(2));
  });
  r.both("equal", "input, other", [](Args& a) {
    const Tensor &x = a.tensor(0), &y = a.tensor(1);
    nb::gil_scoped_release unlocked;
    return x.equal(y);
  });
  r.both("allclose", "input, other, rtol=, atol=, equal_nan=", [](Args& a) {
    return a.tensor(0).allclose(a.tensor(1), a.real(2, 1e-5), a.real(3, 1e-8), a.flag(4));
  });
  r.both("isclose", "input, other, rtol=, atol=, equal_nan=", [](Args& a) {
    return a.tensor(0).isclose(a.tensor(1), a.real(2, 1e-5), a.real(3, 1e-8), a.flag(4));
  });
  r.both("dist",
         "input, other, p=", [](Args& a) { return a.tensor(0).dist(a.tensor(1), a.scalar(2, 2)); });
}

}  // namespace trivium::python
