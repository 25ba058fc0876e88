// The types Tensor and dtype: making and finding objects, operators (written out: they are called
// most), properties, and the protocols of Python's own functions.
#include "python/src/tensor_type.h"

#include <structmember.h>

#include <cstring>
#include <new>

#include "trivium/engine/record/safety.h"
#include "trivium/notations/nn/errors.h"
#include "trivium/notations/nn/print.h"

namespace trivium::python {

PyTypeObject* tensor_type = nullptr;

namespace {

struct DTypeObject {
  PyObject_HEAD DType dtype;
};
PyTypeObject* dtype_type = nullptr;
constexpr int kDTypes = 10;
PyObject* dtypes[kDTypes] = {};

// ---- life

void release(PyObject* self) {
  auto* o = reinterpret_cast<TensorObject*>(self);
  PyTypeObject* type = Py_TYPE(self);
  if (o->weak) PyObject_ClearWeakRefs(self);
  if (o->tensor.defined() && o->tensor.companion() == self)
    o->tensor.set_companion(nullptr, nullptr);
  Py_CLEAR(o->dict);
  o->token.~shared_ptr();
  o->tensor.~Tensor();
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* construct(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  try {
    // Tensor(2, 3) is uninitialised of that shape, Tensor([2, 3]) has those values.
    const Py_ssize_t n = PyTuple_GET_SIZE(args);
    Tensor t;
    PyObject* first = n == 1 ? PyTuple_GET_ITEM(args, 0) : nullptr;
    if (first && is_tensor(first)) {
      t = tensor_in(first).detach();
    } else if (first && !PyLong_Check(first) &&
               !(PyTuple_Check(first) && Py_TYPE(first) != &PyTuple_Type)) {
      t = tensor_of_data(first, DType::f32);
    } else {
      Dims d;
      for (Py_ssize_t i = 0; i < n; ++i) {
        PyObject* a = PyTuple_GET_ITEM(args, i);
        if (PyTuple_Check(a))
          d = dims_of(a);
        else
          d.push_back(integer_of(a));
      }
      if (n == 0) d.push_back(0);
      t = nn::empty(d);
    }
    return new_object(type, t);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

// ---- operators

template <typename F>
PyObject* guarded(F f) {
  try {
    return f();
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

/// tensor op tensor, tensor op number, number op tensor.
template <typename TT, typename TS, typename ST>
PyObject* binary(PyObject* a, PyObject* b, TT tt, TS ts, ST st) {
  try {
    if (is_tensor(a)) {
      const Tensor& x = tensor_in(a);
      if (is_tensor(b)) return wrap(tt(x, tensor_in(b)));
      if (PyFloat_CheckExact(b)) return wrap(ts(x, Scalar(PyFloat_AS_DOUBLE(b))));
      if (is_number(b)) return wrap(ts(x, scalar_of(b)));
    } else if (is_tensor(b) && is_number(a)) {
      return wrap(st(scalar_of(a), tensor_in(b)));
    }
  } catch (...) {
    translate_exception();
    return nullptr;
  }
  return Py_NewRef(Py_NotImplemented);
}

template <typename TT, typename TS>
PyObject* in_place(PyObject* a, PyObject* b, TT tt, TS ts) {
  try {
    const Tensor& x = tensor_in(a);
    if (is_tensor(b))
      tt(x, tensor_in(b));
    else if (is_number(b))
      ts(x, scalar_of(b));
    else
      return Py_NewRef(Py_NotImplemented);
    return Py_NewRef(a);
  } catch (...) {
    translate_exception();
    return nullptr;
  }
}

using TensorRef = const Tensor&;
using ScalarRef = const Scalar&;

#define TRIVIUM_BINARY(name, tensor_tensor, tensor_scalar, scalar_tensor) \
  PyObject* name(PyObject* a, PyObject* b) {                              \
    return binary(                                                        \
        a, b, [](TensorRef x, TensorRef y) { return tensor_tensor; },     \
        [](TensorRef x, ScalarRef y) { return tensor_scalar; },           \
        [](ScalarRef x, TensorRef y) { return scalar_tensor; });          \
  }
Tensor filled_like(ScalarRef value, TensorRef like) {
  return nn::full(
      {}, value,
      {.dtype = is_floating(like.dtype()) && !value.is_bool() ? std::optional<DType>(like.dtype())
                                                              : std::nullopt});
}
TRIVIUM_BINARY(op_add, x.add(y), x.add(y), y.add(x))
TRIVIUM_BINARY(op_subtract, x.sub(y), x.sub(y), y.rsub(x))
TRIVIUM_BINARY(op_multiply, x.mul(y), x.mul(y), y.mul(x))
TRIVIUM_BINARY(op_divide, x.div(y), x.div(y), y.rdiv(x))
TRIVIUM_BINARY(op_floor_divide, x.floor_divide(y), x.floor_divide(y),
               filled_like(x, y).floor_divide(y))
TRIVIUM_BINARY(op_remainder, x.remainder(y), x.remainder(y), filled_like(x, y).remainder(y))
TRIVIUM_BINARY(op_and, x.bitwise_and(y), x.bitwise_and(y), y.bitwise_and(x))
TRIVIUM_BINARY(op_or, x.bitwise_or(y), x.bitwise_or(y), y.bitwise_or(x))
TRIVIUM_BINARY(op_xor, x.bitwise_xor(y), x.bitwise_xor(y), y.bitwise_xor(x))
TRIVIUM_BINARY(op_left, x.bitwise_left_shift(y), x.bitwise_left_shift(y),
               filled_like(x, y).bitwise_left_shift(y))
TRIVIUM_BINARY(op_right, x.bitwise_right_shift(y), x.bitwise_right_shift(y),
               filled_like(x, y).bitwise_right_shift(y))
TRIVIUM_BINARY(op_pow2, x.pow(y), x.pow(y), y.rpow(x))
#undef TRIVIUM_BINARY
PyObject* op_power(PyObject* a, PyObject* b, PyObject*) { return op_pow2(a, b); }
PyObject* op_matmul(PyObject* a, PyObject* b) {
  if (!is_tensor(a) || !is_tensor(b)) return Py_NewRef(Py_NotImplemented);
  return guarded([&] { return wrap(tensor_in(a).matmul(tensor_in(b))); });
}

#define TRIVIUM_IN_PLACE(name, method)                       \
  PyObject* name(PyObject* a, PyObject* b) {                 \
    return in_place(                                         \
        a, b, [](TensorRef x, TensorRef y) { x.method(y); }, \
        [](TensorRef x, ScalarRef y) { x.method(y); });      \
  }
TRIVIUM_IN_PLACE(in_add, add_)
TRIVIUM_IN_PLACE(in_subtract, sub_)
TRIVIUM_IN_PLACE(in_multiply, mul_)
TRIVIUM_IN_PLACE(in_divide, div_)
TRIVIUM_IN_PLACE(in_floor_divide, floor_divide_)
TRIVIUM_IN_PLACE(in_remainder, remainder_)
TRIVIUM_IN_PLACE(in_pow2, pow_)
#undef TRIVIUM_IN_PLACE
PyObject* in_power(PyObject* a, PyObject* b, PyObject*) { return in_pow2(a, b); }
#define TRIVIUM_IN_PLACE_BITS(name, plain)                           \
  PyObject* name(PyObject* a, PyObject* b) {                         \
    return in_place(                                                 \
        a, b, [](TensorRef x, TensorRef y) { x.copy_(x.plain(y)); }, \
        [](TensorRef x, ScalarRef y) { x.copy_(x.plain(y)); });      \
  }
TRIVIUM_IN_PLACE_BITS(in_and, bitwise_and)
TRIVIUM_IN_PLACE_BITS(in_or, bitwise_or)
TRIVIUM_IN_PLACE_BITS(in_xor, bitwise_xor)
#undef TRIVIUM_IN_PLACE_BITS

PyObject* op_negative(PyObject* a) {
  return guarded([&] { return wrap(tensor_in(a).neg()); });
}
PyObject* op_positive(PyObject* a) { return Py_NewRef(a); }
PyObject* op_absolute(PyObject* a) {
  return guarded([&] { return wrap(tensor_in(a).abs()); });
}
PyObject* op_invert(PyObject* a) {
  return guarded([&] { return wrap(tensor_in(a).bitwise_not()); });
}

PyObject* compare(PyObject* a, PyObject* b, int op) {
#define TRIVIUM_COMPARE(method)                                   \
  return binary(                                                  \
      a, b, [](TensorRef x, TensorRef y) { return x.method(y); }, \
      [](TensorRef x, ScalarRef y) { return x.method(y); },       \
      [](ScalarRef, TensorRef y) { return y; })
  switch (op) {
    case Py_EQ:
      TRIVIUM_COMPARE(eq);
    case Py_NE:
      TRIVIUM_COMPARE(ne);
    case Py_LT:
      TRIVIUM_COMPARE(lt);
    case Py_LE:
      TRIVIUM_COMPARE(le);
    case Py_GT:
      TRIVIUM_COMPARE(gt);
    default:
      TRIVIUM_COMPARE(ge);
  }
#undef TRIVIUM_COMPARE
}

// ---- Python's own functions

Scalar only_element(PyObject* self) {
  const Tensor& t = tensor_in(self);
  Unlocked unlocked;
  return t.item_scalar();
}
int truth(PyObject* self) {
  try {
    const Tensor& t = tensor_in(self);
    if (t.numel() != 1)
      user_error(
          "bool() of a tensor needs one element; this one has {}. any() or all() says "
          "which truth is meant",
          t.numel());
    return only_element(self).real() != 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}
void need_one(PyObject* self, const char* what) {
  if (tensor_in(self).numel() != 1)
    nn::raise<nn::ValueError>("{}() needs a tensor of one element; this one is {}", what,
                              tensor_in(self).shape().text());
}
PyObject* to_int(PyObject* self) {
  return guarded([&] {
    need_one(self, "int");
    const Scalar s = only_element(self);
    return s.is_real() ? PyLong_FromDouble(s.real()) : PyLong_FromLongLong(s.integer());
  });
}
PyObject* to_float(PyObject* self) {
  return guarded([&] {
    need_one(self, "float");
    return PyFloat_FromDouble(only_element(self).real());
  });
}
PyObject* to_index(PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (tensor_in(self).numel() != 1 || is_floating(tensor_in(self).dtype()))
      type_error("only an integer tensor of one element can be an index");
    return PyLong_FromLongLong(only_element(self).integer());
  });
}
Py_ssize_t length(PyObject* self) {
  const Shape& s = tensor_in(self).shape();
  if (s.rank() == 0) {
    PyErr_SetString(PyExc_TypeError, "len() of a tensor without axes");
    return -1;
  }
  return s[0];
}
PyObject* iterate(PyObject* self) {
  return guarded([&]() -> PyObject* {
    if (tensor_in(self).dim() == 0) type_error("iteration over a tensor without axes");
    nb::object parts = nb::steal(to_python(tensor_in(self).unbind(0)));
    return PyObject_GetIter(parts.ptr());
  });
}
int contains(PyObject* self, PyObject* what) {
  try {
    const Tensor& t = tensor_in(self);
    const Tensor hit = is_tensor(what) ? t.eq(tensor_in(what)) : t.eq(scalar_of(what));
    return hit.any().item_scalar().integer() != 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}
Py_hash_t hash(PyObject* self) {
  return static_cast<Py_hash_t>(reinterpret_cast<size_t>(self) >> 4);
}
PyObject* represent(PyObject* self) {
  return guarded([&] {
    std::string text;
    {
      const Tensor& t = tensor_in(self);
      Unlocked unlocked;
      text = nn::to_string(t);
    }
    return to_python(text);
  });
}

// ---- properties

#define TRIVIUM_GET(name, expression)                     \
  PyObject* name(PyObject* self, void*) {                 \
    return guarded([&]() -> PyObject* {                   \
      [[maybe_unused]] const Tensor& t = tensor_in(self); \
      return expression;                                  \
    });                                                   \
  }
TRIVIUM_GET(get_shape, shape_object(t.shape()))
TRIVIUM_GET(get_dtype, Py_NewRef(dtype_object(t.dtype())))
TRIVIUM_GET(get_device, Py_NewRef(given.cpu))
TRIVIUM_GET(get_ndim, to_python(t.dim()))
TRIVIUM_GET(get_requires_grad, to_python(t.requires_grad()))
TRIVIUM_GET(get_is_leaf, to_python(t.is_leaf()))
TRIVIUM_GET(get_retains_grad, to_python(t.retains_grad()))
TRIVIUM_GET(get_data, wrap(Tensor(record::uncounted(t))))
TRIVIUM_GET(get_T, wrap(t.T()))
TRIVIUM_GET(get_mT, wrap(t.mT()))
TRIVIUM_GET(get_real, wrap(t))
TRIVIUM_GET(get_version, to_python(t.version()))
TRIVIUM_GET(get_itemsize, to_python(t.element_size()))
TRIVIUM_GET(get_nbytes, to_python(t.element_size() * t.numel()))
TRIVIUM_GET(get_false, Py_NewRef(Py_False))
#undef TRIVIUM_GET

PyObject* get_grad(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = tensor_in(self);
    const Tensor g = t.grad();
    if (!g.defined() && !t.is_leaf() && !t.retains_grad())
      warn(PyExc_UserWarning,
           "only leaves have a .grad: call retain_grad() on this tensor before backward()");
    return to_python(g);
  });
}
PyObject* get_grad_fn(PyObject* self, void*) {
  return guarded([&]() -> PyObject* {
    const Tensor& t = tensor_in(self);
    const std::string op = t.grad_op();
    if (op.empty() || !given.grad_fn) return none();
    return PyObject_CallFunction(given.grad_fn, "sO", op.c_str(), self);
  });
}

template <typename F>
int set_guarded(F f) {
  try {
    f();
    return 0;
  } catch (...) {
    translate_exception();
    return -1;
  }
}
int set_data(PyObject* self, PyObject* value, void*) {
  return set_guarded([&] {
    if (!value || !is_tensor(value)) type_error(".data takes a Tensor");
    Tensor& t = tensor_in(self);
    const Tensor& v = tensor_in(value);
    if (t.same_as(v)) return;
    if (t.requires_grad() && !is_floating(v.dtype()))
      user_error(".data of a tensor that requires grad must stay floating, not {}",
                 name_of(v.dtype()));
    t.set_data(v);
  });
}
int set_grad(PyObject* self, PyObject* value, void*) {
  return set_guarded([&] {
    if (!value || value == Py_None) return tensor_in(self).set_grad({});
    if (!is_tensor(value)) type_error(".grad takes a Tensor or None");
    tensor_in(self).set_grad(tensor_in(value));
  });
}
int set_requires_grad(PyObject* self, PyObject* value, void*) {
  return set_guarded([&] {
    check(value);
    tensor_in(self).set_requires_grad(PyObject_IsTrue(value) == 1);
  });
}

PyGetSetDef properties[] = {
    {"shape", get_shape, nullptr, nullptr, nullptr},
    {"dtype", get_dtype, nullptr, nullptr, nullptr},
    {"device", get_device, nullptr, nullptr, nullptr},
    {"ndim", get_ndim, nullptr, nullptr, nullptr},
    {"data", get_data, set_data, nullptr, nullptr},
    {"grad", get_grad, set_grad, nullptr, nullptr},
    {"grad_fn", get_grad_fn, nullptr, nullptr, nullptr},
    {"requires_grad", get_requires_grad, set_requires_grad, nullptr, nullptr},
    {"is_leaf", get_is_leaf, nullptr, nullptr, nullptr},
    {"retains_grad", get_retains_grad, nullptr, nullptr, nullptr},
    {"T", get_T, nullptr, nullptr, nullptr},
    {"mT", get_mT, nullptr, nullptr, nullptr},
    {"real", get_real, nullptr, nullptr, nullptr},
    {"_version", get_version, nullptr, nullptr, nullptr},
    {"itemsize", get_itemsize, nullptr, nullptr, nullptr},
    {"nbytes", get_nbytes, nullptr, nullptr, nullptr},
    {"is_cuda", get_false, nullptr, nullptr, nullptr},
    {"is_xpu", get_false, nullptr, nullptr, nullptr},
    {"is_mps", get_false, nullptr, nullptr, nullptr},
    {"is_meta", get_false, nullptr, nullptr, nullptr},
    {"is_sparse", get_false, nullptr, nullptr, nullptr},
    {"is_quantized", get_false, nullptr, nullptr, nullptr},
    {"is_nested", get_false, nullptr, nullptr, nullptr},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyMemberDef members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(TensorObject, dict), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(TensorObject, weak), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr}};

#define TRIVIUM_SLOT(name, function) \
  { name, reinterpret_cast<void*>(function) }
PyType_Slot tensor_slots[] = {TRIVIUM_SLOT(Py_tp_dealloc, release),
                              TRIVIUM_SLOT(Py_tp_new, construct),
                              TRIVIUM_SLOT(Py_tp_repr, represent),
                              TRIVIUM_SLOT(Py_tp_hash, hash),
                              TRIVIUM_SLOT(Py_tp_richcompare, compare),
                              TRIVIUM_SLOT(Py_tp_iter, iterate),
                              TRIVIUM_SLOT(Py_tp_getset, properties),
                              TRIVIUM_SLOT(Py_tp_members, members),
                              TRIVIUM_SLOT(Py_mp_subscript, subscript),
                              TRIVIUM_SLOT(Py_mp_ass_subscript, assign_subscript),
                              TRIVIUM_SLOT(Py_mp_length, length),
                              TRIVIUM_SLOT(Py_sq_contains, contains),
                              TRIVIUM_SLOT(Py_nb_add, op_add),
                              TRIVIUM_SLOT(Py_nb_subtract, op_subtract),
                              TRIVIUM_SLOT(Py_nb_multiply, op_multiply),
                              TRIVIUM_SLOT(Py_nb_true_divide, op_divide),
                              TRIVIUM_SLOT(Py_nb_floor_divide, op_floor_divide),
                              TRIVIUM_SLOT(Py_nb_remainder, op_remainder),
                              TRIVIUM_SLOT(Py_nb_power, op_power),
                              TRIVIUM_SLOT(Py_nb_matrix_multiply, op_matmul),
                              TRIVIUM_SLOT(Py_nb_and, op_and),
                              TRIVIUM_SLOT(Py_nb_or, op_or),
                              TRIVIUM_SLOT(Py_nb_xor, op_xor),
                              TRIVIUM_SLOT(Py_nb_lshift, op_left),
                              TRIVIUM_SLOT(Py_nb_rshift, op_right),
                              TRIVIUM_SLOT(Py_nb_inplace_add, in_add),
                              TRIVIUM_SLOT(Py_nb_inplace_subtract, in_subtract),
                              TRIVIUM_SLOT(Py_nb_inplace_multiply, in_multiply),
                              TRIVIUM_SLOT(Py_nb_inplace_true_divide, in_divide),
                              TRIVIUM_SLOT(Py_nb_inplace_floor_divide, in_floor_divide),
                              TRIVIUM_SLOT(Py_nb_inplace_remainder, in_remainder),
                              TRIVIUM_SLOT(Py_nb_inplace_power, in_power),
                              TRIVIUM_SLOT(Py_nb_inplace_and, in_and),
                              TRIVIUM_SLOT(Py_nb_inplace_or, in_or),
                              TRIVIUM_SLOT(Py_nb_inplace_xor, in_xor),
                              TRIVIUM_SLOT(Py_nb_negative, op_negative),
                              TRIVIUM_SLOT(Py_nb_positive, op_positive),
                              TRIVIUM_SLOT(Py_nb_absolute, op_absolute),
                              TRIVIUM_SLOT(Py_nb_invert, op_invert),
                              TRIVIUM_SLOT(Py_nb_bool, truth),
                              TRIVIUM_SLOT(Py_nb_int, to_int),
                              TRIVIUM_SLOT(Py_nb_float, to_float),
                              TRIVIUM_SLOT(Py_nb_index, to_index),
                              {0, nullptr}};
PyType_Spec tensor_spec = {"trivium.torch.Tensor", sizeof(TensorObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, tensor_slots};

// ---- dtype

constexpr const char* kTypeStrings[kDTypes] = {"Float", "Double", "Half", "BFloat16", "Char",
                                               "Byte",  "Short",  "Int",  "Long",     "Bool"};
DType dtype_in(PyObject* o) { return reinterpret_cast<DTypeObject*>(o)->dtype; }
PyObject* dtype_repr(PyObject* self) {
  return PyUnicode_FromFormat("torch.%s", name_of(dtype_in(self)));
}
PyObject* dtype_reduce(PyObject* self, PyObject*) {
  return PyUnicode_FromString(name_of(dtype_in(self)));
}
PyObject* dtype_floating(PyObject* self, void*) {
  return PyBool_FromLong(is_floating(dtype_in(self)));
}
PyObject* dtype_complex(PyObject*, void*) { return Py_NewRef(Py_False); }
PyObject* dtype_signed(PyObject* self, void*) {
  return PyBool_FromLong(dtype_in(self) != DType::u8 && dtype_in(self) != DType::bool_);
}
PyObject* dtype_itemsize(PyObject* self, void*) {
  return PyLong_FromSize_t(size_of(dtype_in(self)));
}
PyObject* dtype_text(PyObject* self, void*) {
  return PyUnicode_FromString(name_of(dtype_in(self)));
}
PyObject* dtype_tensor_name(PyObject* self, void*) {
  return PyUnicode_FromFormat("torch.%sTensor", kTypeStrings[static_cast<int>(dtype_in(self))]);
}
PyGetSetDef dtype_properties[] = {{"is_floating_point", dtype_floating, nullptr, nullptr, nullptr},
                                  {"is_complex", dtype_complex, nullptr, nullptr, nullptr},
                                  {"is_signed", dtype_signed, nullptr, nullptr, nullptr},
                                  {"itemsize", dtype_itemsize, nullptr, nullptr, nullptr},
                                  {"_name", dtype_text, nullptr, nullptr, nullptr},
                                  {"_tensor_name", dtype_tensor_name, nullptr, nullptr, nullptr},
                                  {nullptr, nullptr, nullptr, nullptr, nullptr}};
PyMethodDef dtype_methods[] = {{"__reduce__", dtype_reduce, METH_NOARGS, nullptr},
                               {nullptr, nullptr, 0, nullptr}};
PyType_Slot dtype_slots[] = {TRIVIUM_SLOT(Py_tp_repr, dtype_repr),
                             TRIVIUM_SLOT(Py_tp_getset, dtype_properties),
                             TRIVIUM_SLOT(Py_tp_methods, dtype_methods),
                             {0, nullptr}};
PyType_Spec dtype_spec = {"trivium.torch.dtype", sizeof(DTypeObject), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, dtype_slots};
#undef TRIVIUM_SLOT

}  // namespace

PyObject* new_object(PyTypeObject* type, Tensor t) {
  PyObject* self = type->tp_alloc(type, 0);
  check(self);
  auto* o = reinterpret_cast<TensorObject*>(self);
  new (&o->tensor) Tensor(std::move(t));
  new (&o->token) std::shared_ptr<void>();
  o->tensor.set_companion(self, nullptr);
  return self;
}

PyObject* wrap(const Tensor& t) {
  if (void* c = t.companion()) return Py_NewRef(static_cast<PyObject*>(c));
  return new_object(tensor_type, t);
}

PyObject* wrap_shared(const Tensor& t) {
  PyObject* o = wrap(t);
  reinterpret_cast<TensorObject*>(o)->token = t.share().token;
  return o;
}

PyObject* dtype_object(DType dtype) { return dtypes[static_cast<int>(dtype)]; }
bool is_dtype(PyObject* o) { return Py_TYPE(o) == dtype_type; }

DType dtype_of(PyObject* o) {
  if (is_dtype(o)) return dtype_in(o);
  if (o == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::f64;
  if (o == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::i64;
  if (o == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::bool_;
  // torch.FloatTensor and the like carry their dtype.
  nb::object named = nb::steal(PyObject_GetAttrString(o, "dtype"));
  if (named.is_valid() && is_dtype(named.ptr())) return dtype_in(named.ptr());
  PyErr_Clear();
  type_error(std::string("expected a dtype such as torch.float32, not ") + Py_TYPE(o)->tp_name);
}

PyObject* shape_object(const Shape& shape) {
  auto* type = given.size ? reinterpret_cast<PyTypeObject*>(given.size) : &PyTuple_Type;
  PyObject* tuple = type->tp_alloc(type, shape.rank());
  check(tuple);
  for (int i = 0; i < shape.rank(); ++i)
    PyTuple_SET_ITEM(tuple, i, PyLong_FromLongLong(shape.begin()[i]));
  return tuple;
}

void create_types(nb::module_& m) {
  tensor_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&tensor_spec));
  check(tensor_type);
  dtype_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&dtype_spec));
  check(dtype_type);
  m.attr("Tensor") = nb::handle(reinterpret_cast<PyObject*>(tensor_type));
  m.attr("dtype") = nb::handle(reinterpret_cast<PyObject*>(dtype_type));
  for (int i = 0; i < kDTypes; ++i) {
    auto* o = PyObject_New(DTypeObject, dtype_type);
    check(o);
    o->dtype = static_cast<DType>(i);
    dtypes[i] = reinterpret_cast<PyObject*>(o);
    m.attr(name_of(o->dtype)) = nb::handle(dtypes[i]);
  }
}

}  // namespace trivium::python
