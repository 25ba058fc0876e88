// Tensors made from sizes, values and Python's data; random tensors and fills; Generator.
#include "python/src/generator.h"
#include "python/src/tensor_type.h"
#include "trivium/notations/nn/errors.h"
#include "trivium/notations/nn/promote.h"

namespace trivium::python {

namespace {

Tensor requiring(Tensor t, bool wanted) {
  if (wanted) t.set_requires_grad(true);
  return t;
}

/// Options of a method new_…: this tensor's dtype unless another is asked for.
nn::TensorOptions like(Args& a, int first) {
  nn::TensorOptions o = a.options(first);
  if (!o.dtype) o.dtype = a.tensor(0).dtype();
  return o;
}

Tensor arange(Args& a) {
  const nn::TensorOptions o = a.options(3);
  if (!a.has(1)) return nn::arange(a.scalar(0), o);
  return nn::arange(a.scalar(0), a.scalar(1), a.scalar(2, 1), o);
}

}  // namespace

void define_creation(Registry& r) {
  r.function("tensor", "data, dtype=, device=, requires_grad=, pin_memory=", [](Args& a) {
    const nn::TensorOptions o = a.options(1);
    if (a.is_tensor(0))
      warn(PyExc_UserWarning, "torch.tensor(t) copies: t.clone().detach() says so plainly");
    return requiring(tensor_of_data(a.raw(0), o.dtype), o.requires_grad);
  });
  r.function("as_tensor", "data, dtype=, device=, requires_grad=", [](Args& a) -> PyObject* {
    const nn::TensorOptions o = a.options(1);
    if (a.is_tensor(0)) return wrap(o.dtype ? a.tensor(0).to(*o.dtype) : a.tensor(0));
    if (PyObject_HasAttrString(a.raw(0), "__array_interface__") && !is_number(a.raw(0))) {
      const Tensor t = tensor_of_array(a.raw(0), false);
      return o.dtype && *o.dtype != t.dtype() ? wrap(t.to(*o.dtype)) : wrap_shared(t);
    }
    return wrap(tensor_of_data(a.raw(0), o.dtype));
  });
  r.alias("asarray");
  r.function("from_numpy", "ndarray", [](Args& a) {
    if (!PyObject_HasAttrString(a.raw(0), "__array_interface__")) a.wrong(0, "a NumPy array");
    return wrap_shared(tensor_of_array(a.raw(0), false));
  });
#define TRIVIUM_SIZED(name)                                                             \
  r.function(#name, "*size, dtype=, device=, requires_grad=", [](Args& a) {             \
    return nn::name(a.dims(0), a.options(1));                                           \
  });                                                                                   \
  r.method("new_" #name, "input, *size, dtype=, device=, requires_grad=", [](Args& a) { \
    return nn::name(a.dims(1), like(a, 2));                                             \
  });                                                                                   \
  r.function(#name "_like", "input, dtype=, device=, requires_grad=", [](Args& a) {     \
    return nn::name##_like(a.tensor(0), a.options(1));                                  \
  })
  TRIVIUM_SIZED(zeros);
  TRIVIUM_SIZED(ones);
  TRIVIUM_SIZED(empty);
#undef TRIVIUM_SIZED
  r.function("full", "size, fill_value, *, dtype=, device=, requires_grad=", [](Args& a) {
    return nn::full(a.dims(0), a.scalar(1), a.options(2));
  });
  r.method("new_full", "input, size, fill_value, *, dtype=, device=, requires_grad=", [](Args& a) {
    return nn::full(a.dims(1), a.scalar(2), like(a, 3));
  });
  r.function("full_like", "input, fill_value, *, dtype=, device=, requires_grad=", [](Args& a) {
    return nn::full_like(a.tensor(0), a.scalar(1), a.options(2));
  });
  r.method("new_tensor", "input, data, dtype=, device=, requires_grad=", [](Args& a) {
    const nn::TensorOptions o = like(a, 2);
    return requiring(tensor_of_data(a.raw(1), o.dtype), o.requires_grad);
  });
  r.method("new", "input, *size", [](Args& a) {
    const DType dtype = a.tensor(0).dtype();
    if (a.variadic_count() == 1 && (is_tensor(a.raw(1)) || PyList_Check(a.raw(1))))
      return tensor_of_data(a.raw(1), dtype);
    return nn::empty(a.variadic_count() ? a.dims(1) : Dims(0), {.dtype = dtype});
  });
  r.function("arange", "start, end=, step=, dtype=, device=, requires_grad=", [](Args& a) {
    return arange(a);
  });
  r.function("range", "start, end=, step=, dtype=, device=, requires_grad=", [](Args& a) {
    warn(PyExc_UserWarning, "torch.range includes its end; torch.arange is the usual function");
    nn::TensorOptions o = a.options(3);
    if (!o.dtype) o.dtype = nn::default_dtype();
    const double step = a.real(2, 1);
    const double from = a.has(1) ? a.real(0) : 0, to = a.real(a.has(1) ? 1 : 0);
    return nn::arange(from, to + step / 2, step, o);
  });
  r.function("linspace", "start, end, steps, *, dtype=, device=, requires_grad=", [](Args& a) {
    return nn::linspace(a.real(0), a.real(1), a.integer(2), a.options(3));
  });
  r.function("logspace",
             "start, end, steps, base=, *, dtype=, device=, requires_grad=", [](Args& a) {
               return nn::logspace(a.real(0), a.real(1), a.integer(2), a.real(3, 10), a.options(4));
             });
  r.function("eye", "n, m=, *, dtype=, device=, requires_grad=", [](Args& a) {
    return nn::eye(a.integer(0), a.opt_integer(1), a.options(2));
  });
  r.function("tril_indices", "row, col, offset=, dtype=, device=", [](Args& a) {
    return nn::tril_indices(a.integer(0), a.integer(1), a.integer(2, 0));
  });
  r.function("triu_indices", "row, col, offset=, dtype=, device=", [](Args& a) {
    return nn::triu_indices(a.integer(0), a.integer(1), a.integer(2, 0));
  });
  r.function("get_default_dtype", "",
             [](Args&) { return Py_NewRef(dtype_object(nn::default_dtype())); });
  r.function("set_default_dtype", "d", [](Args& a) {
    nn::set_default_dtype(*a.dtype(0));
    return none();
  });
  r.function("promote_types", "type1, type2", [](Args& a) {
    return Py_NewRef(dtype_object(nn::promote_types(*a.dtype(0), *a.dtype(1))));
  });
  r.function("can_cast", "from_, to",
             [](Args& a) { return nn::can_cast(*a.dtype(0), *a.dtype(1)); });
  r.function("result_type", "input, other", [](Args& a) {
    DType d;
    if (a.is_tensor(0) && a.is_tensor(1))
      d = nn::result_type(a.tensor(0), a.tensor(1));
    else if (a.is_tensor(0))
      d = nn::result_type(a.tensor(0), a.scalar(1));
    else if (a.is_tensor(1))
      d = nn::result_type(a.tensor(1), a.scalar(0));
    else
      d = nn::result_type(a.scalar(0), a.scalar(1));
    return Py_NewRef(dtype_object(d));
  });
}

// ---- random

namespace {

struct PyGenerator {
  random::TorchGenerator own;
  random::TorchGenerator* used = &own;
};

void seed(random::TorchGenerator& g, nb::handle value) {
  nb::object whole = nb::steal(PyNumber_Index(value.ptr()));
  check(whole.is_valid());
  int overflow = 0;
  const long long v = PyLong_AsLongLongAndOverflow(whole.ptr(), &overflow);
  if (!overflow) {
    g.manual_seed(static_cast<int64_t>(v));
    return;
  }
  const unsigned long long u = overflow > 0 ? PyLong_AsUnsignedLongLong(whole.ptr()) : 0;
  if (overflow < 0 || PyErr_Occurred()) {
    PyErr_Clear();
    nn::raise<nn::ValueError>("a seed lies in [-2^63, 2^64)");
  }
  g.manual_seed(static_cast<uint64_t>(u));
}

}  // namespace

nn::Generator generator_in(PyObject* object) {
  PyGenerator* g = nullptr;
  if (!nb::try_cast(nb::handle(object), g) || !g) return nullptr;
  return g->used;
}

void define_random(Registry& r, nb::module_& m) {
  nb::class_<PyGenerator>(m, "Generator")
      .def(
          "__init__",
          [](PyGenerator* g, nb::handle device) {
            new (g) PyGenerator();
            if (!device.is_none()) check_device(device.ptr());
          },
          nb::arg("device") = nb::none())
      .def("manual_seed",
           [](nb::handle self, nb::handle value) {
             seed(*nb::cast<PyGenerator*>(self)->used, value);
             return nb::borrow(self);
           })
      .def("seed", [](PyGenerator& g) { return g.used->seed(); })
      .def("initial_seed", [](PyGenerator& g) { return g.used->initial_seed(); })
      .def("get_state", [](PyGenerator& g) { return nb::steal(wrap(Tensor(g.used->state()))); })
      .def("set_state",
           [](PyGenerator& g, nb::handle state) {
             if (!is_tensor(state.ptr())) type_error("a generator's state is a uint8 tensor");
             g.used->set_state(tensor_in(state.ptr()).array());
           })
      .def_prop_ro("device", [](PyGenerator&) { return nb::borrow(given.cpu); });
  auto* shared = new PyGenerator();
  shared->used = &random::default_generator();
  m.attr("default_generator") = nb::cast(shared, nb::rv_policy::take_ownership);

  constexpr auto sized = "*size, dtype=, device=, requires_grad=, generator=";
  r.function("rand", sized,
             [](Args& a) { return nn::rand(a.dims(0), a.options(1), a.generator(4)); });
  r.function("randn", sized,
             [](Args& a) { return nn::randn(a.dims(0), a.options(1), a.generator(4)); });
  constexpr auto liked = "input, *, dtype=, device=, requires_grad=, generator=";
  r.function("rand_like", liked,
             [](Args& a) { return nn::rand_like(a.tensor(0), a.options(1), a.generator(4)); });
  r.function("randn_like", liked,
             [](Args& a) { return nn::randn_like(a.tensor(0), a.options(1), a.generator(4)); });
  // randint(high, size) or randint(low, high, size)
  r.function("randint",
             "low, high=, size=, *, dtype=, device=, requires_grad=, generator=", [](Args& a) {
               const nn::TensorOptions o = a.options(3);
               if (a.has(1) && !a.has(2))
                 return nn::randint(0, a.integer(0), a.dims(1), o, a.generator(6));
               if (!a.has(1)) return nn::randint(0, a.integer(0), a.dims(2), o, a.generator(6));
               return nn::randint(a.integer(0), a.integer(1), a.dims(2), o, a.generator(6));
             });
  r.function("randint_like", "input, low, high=, *, dtype=, device=, requires_grad=", [](Args& a) {
    const nn::TensorOptions o = a.options(3);
    if (!a.has(2)) return nn::randint_like(a.tensor(0), 0, a.integer(1), o);
    return nn::randint_like(a.tensor(0), a.integer(1), a.integer(2), o);
  });
  r.function("randperm", "n, *, dtype=, device=, requires_grad=, generator=", [](Args& a) {
    return nn::randperm(a.integer(0), a.options(1), a.generator(4));
  });
  r.function("normal",
             "mean, std=, size=, *, dtype=, device=, requires_grad=, generator=", [](Args& a) {
               const nn::Generator g = a.generator(6);
               if (a.is_tensor(0) && a.is_tensor(1)) return nn::normal(a.tensor(0), a.tensor(1), g);
               if (a.is_tensor(0)) return nn::normal(a.tensor(0), a.real(1, 1), g);
               if (a.is_tensor(1)) return nn::normal(a.real(0), a.tensor(1), g);
               return nn::normal(a.real(0), a.real(1, 1), a.dims(2), a.options(3), g);
             });
  r.both("bernoulli", "input, p=, *, generator=", [](Args& a) {
    if (a.has(1)) return nn::bernoulli(a.tensor(0), a.real(1), a.generator(2));
    return nn::bernoulli(a.tensor(0), a.generator(2));
  });
  r.both("multinomial", "input, num_samples, replacement=, *, generator=", [](Args& a) {
    return nn::multinomial(a.tensor(0), a.integer(1), a.flag(2), a.generator(3));
  });
  namespace draw = nn::draw;
  r.method("uniform_", "input, from=, to=, *, generator=, a=, b=", [](Args& a) {
    draw::uniform(a.tensor(0), a.real(a.has(4) ? 4 : 1, 0), a.real(a.has(5) ? 5 : 2, 1),
                  a.generator(3));
    return a.tensor(0);
  });
  r.method("normal_", "input, mean=, std=, *, generator=", [](Args& a) {
    draw::normal(a.tensor(0), a.real(1, 0), a.real(2, 1), a.generator(3));
    return a.tensor(0);
  });
  r.method("bernoulli_", "input, p=, *, generator=", [](Args& a) {
    if (a.is_tensor(1))
      draw::bernoulli(a.tensor(0), a.tensor(1), a.generator(2));
    else
      draw::bernoulli(a.tensor(0), a.real(1, 0.5), a.generator(2));
    return a.tensor(0);
  });
  r.method("random_", "input, from=, to=, *, generator=", [](Args& a) {
    if (!a.has(1) && !a.has(2))
      draw::random_full(a.tensor(0), a.generator(3));
    else if (!a.has(2))
      draw::random_range(a.tensor(0), 0, a.integer(1), a.generator(3));
    else
      draw::random_range(a.tensor(0), a.integer(1, 0), a.integer(2), a.generator(3));
    return a.tensor(0);
  });
  r.method("exponential_", "input, lambd=, *, generator=", [](Args& a) {
    draw::exponential(a.tensor(0), a.real(1, 1), a.generator(2));
    return a.tensor(0);
  });
  r.method("geometric_", "input, p, *, generator=", [](Args& a) {
    draw::geometric(a.tensor(0), a.real(1), a.generator(2));
    return a.tensor(0);
  });
  r.method("cauchy_", "input, median=, sigma=, *, generator=", [](Args& a) {
    draw::cauchy(a.tensor(0), a.real(1, 0), a.real(2, 1), a.generator(3));
    return a.tensor(0);
  });
  r.method("log_normal_", "input, mean=, std=, *, generator=", [](Args& a) {
    draw::log_normal(a.tensor(0), a.real(1, 1), a.real(2, 2), a.generator(3));
    return a.tensor(0);
  });
}

}  // namespace trivium::python
