// From tensors to Python's values and arrays, between dtypes, and what a tensor says of itself.
#include <cstring>

#include "python/src/tensor_type.h"
#include "trivium/engine/core/half.h"
#include "trivium/notations/nn/errors.h"
#include "trivium/notations/nn/print.h"

namespace trivium::python {

namespace {

/// "torch.FloatTensor" as a dtype.
DType dtype_of_text(const std::string& text) {
  static const std::pair<const char*, DType> known[] = {
      {"Float", DType::f32},     {"Double", DType::f64}, {"Half", DType::f16},
      {"BFloat16", DType::bf16}, {"Char", DType::i8},    {"Byte", DType::u8},
      {"Short", DType::i16},     {"Int", DType::i32},    {"Long", DType::i64},
      {"Bool", DType::bool_}};
  for (const auto& [name, dtype] : known)
    if (text == std::string("torch.") + name + "Tensor") return dtype;
  nn::raise<nn::ValueError>("no tensor type is called {}; 'torch.FloatTensor' is one", text);
}

Tensor to(Args& a) {
  const Tensor& x = a.tensor(0);
  std::optional<DType> dtype = a.dtype(3);
  if (a.has(2)) check_device(a.raw(2));
  for (size_t i = 0; i < a.variadic_count(); ++i) {
    PyObject* o = a.variadic(i);
    if (is_dtype(o) || o == reinterpret_cast<PyObject*>(&PyFloat_Type))
      dtype = dtype_of(o);
    else if (is_tensor(o))
      dtype = tensor_in(o).dtype();
    else if (!PyBool_Check(o) && o != Py_None)
      check_device(o);
  }
  const bool copy = a.flag(5);
  if (!dtype || *dtype == x.dtype()) return copy ? x.clone() : x;
  return x.to(*dtype, copy);
}

PyObject* element(const Array& a, int64_t i) {
  switch (a.dtype()) {
    case DType::bool_:
      return PyBool_FromLong(a.data<bool>()[i]);
    case DType::i64:
      return PyLong_FromLongLong(a.data<int64_t>()[i]);
    case DType::f32:
      return PyFloat_FromDouble(a.data<float>()[i]);
    case DType::f64:
      return PyFloat_FromDouble(a.data<double>()[i]);
    default:
      return is_floating(a.dtype()) ? PyFloat_FromDouble(a.at(i))
                                    : PyLong_FromLongLong(static_cast<int64_t>(a.at(i)));
  }
}

PyObject* list_of(const Array& a, int axis, int64_t& at) {
  if (axis == a.shape().rank()) return element(a, at++);
  const int64_t n = a.shape()[axis];
  PyObject* list = PyList_New(n);
  for (int64_t i = 0; i < n; ++i) PyList_SET_ITEM(list, i, list_of(a, axis + 1, at));
  return list;
}

/// A tensor's memory, for whoever reads __array_interface__.
struct SharedMemory {
  record::Var::Exported memory;
  DType dtype;
};

const char* typestr(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "<f4";
    case DType::f64:
      return "<f8";
    case DType::f16:
      return "<f2";
    case DType::i8:
      return "|i1";
    case DType::u8:
      return "|u1";
    case DType::i16:
      return "<i2";
    case DType::i32:
      return "<i4";
    case DType::i64:
      return "<i8";
    case DType::bool_:
      return "|b1";
    default:
      return nullptr;
  }
}

nb::object interface_of(const SharedMemory& s) {
  const auto item = static_cast<int64_t>(size_of(s.dtype));
  nb::dict d;
  nb::list shape, strides;
  for (int64_t n : s.memory.shape.dims()) shape.append(n);
  for (int64_t n : s.memory.strides) strides.append(n * item);
  auto* raw = static_cast<char*>(s.memory.base.raw()) + s.memory.offset * item;
  d["shape"] = nb::tuple(shape);
  d["strides"] = nb::tuple(strides);
  d["typestr"] = typestr(s.dtype);
  d["data"] = nb::make_tuple(reinterpret_cast<size_t>(raw), false);
  d["version"] = 3;
  return d;
}

PyObject* numpy_of(const Tensor& t, bool force) {
  if (t.requires_grad() && !force)
    user_error("numpy() of a tensor that requires grad: call detach() first");
  if (!typestr(t.dtype())) type_error("NumPy has no bfloat16: call float() first");
  SharedMemory s;
  s.dtype = t.dtype();
  {
    Unlocked unlocked;
    s.memory = t.share();
  }
  nb::object numpy = nb::module_::import_("numpy");
  if (t.numel() == 0) {
    nb::list shape;
    for (int64_t n : t.shape().dims()) shape.append(n);
    return numpy.attr("empty")(nb::tuple(shape), nb::str(typestr(t.dtype()))).release().ptr();
  }
  return numpy.attr("asarray")(nb::cast(std::move(s))).release().ptr();
}

}  // namespace

void define_conversion(Registry& r) {
  r.method("to",
           "input, *args, device=, dtype=, non_blocking=, copy=", [](Args& a) { return to(a); });
#define TRIVIUM_TO(name, dtype) \
  r.method(name, "input", [](Args& a) { return a.tensor(0).to(DType::dtype); })
  TRIVIUM_TO("float", f32);
  TRIVIUM_TO("double", f64);
  TRIVIUM_TO("half", f16);
  TRIVIUM_TO("bfloat16", bf16);
  TRIVIUM_TO("char", i8);
  TRIVIUM_TO("byte", u8);
  TRIVIUM_TO("short", i16);
  TRIVIUM_TO("int", i32);
  TRIVIUM_TO("long", i64);
  TRIVIUM_TO("bool", bool_);
#undef TRIVIUM_TO
  r.method("type", "input, dtype=, non_blocking=", [](Args& a) -> PyObject* {
    const Tensor& x = a.tensor(0);
    if (!a.has(1)) return PyObject_GetAttrString(dtype_object(x.dtype()), "_tensor_name");
    if (PyUnicode_Check(a.raw(1))) return wrap(x.to(dtype_of_text(a.text(1))));
    return wrap(x.to(*a.dtype(1)));
  });
  r.function("_dtype_of_text", "text",
             [](Args& a) { return Py_NewRef(dtype_object(dtype_of_text(a.text(0)))); });
  r.method("type_as", "input, other", [](Args& a) { return a.tensor(0).type_as(a.tensor(1)); });
  r.method("cpu", "input", [](Args& a) { return a.tensor(0); });
  r.method("item", "input", [](Args& a) {
    const Tensor& x = a.tensor(0);
    Unlocked unlocked;
    return x.item_scalar();
  });
  r.method("tolist", "input", [](Args& a) {
    const Tensor& x = a.tensor(0);
    Array content;
    {
      Unlocked unlocked;
      content = x.array();
    }
    int64_t at = 0;
    return list_of(content, 0, at);
  });
  r.method("numpy", "input, *, force=", [](Args& a) { return numpy_of(a.tensor(0), a.flag(1)); });
  r.method("_data_text", "input, indent=", [](Args& a) {
    return nn::data_text(a.tensor(0), static_cast<int>(a.integer(1, 0)));
  });
  r.function("_set_printoptions", "precision, threshold, edgeitems, linewidth, sci_mode",
             [](Args& a) {
               nn::PrintOptions o = nn::print_options();
               if (a.has(0)) o.precision = static_cast<int>(a.integer(0));
               if (a.has(1)) o.threshold = a.integer(1);
               if (a.has(2)) o.edgeitems = a.integer(2);
               if (a.has(3)) o.linewidth = static_cast<int>(a.integer(3));
               o.sci_mode = a.has(4) ? std::optional<bool>(a.flag(4)) : std::nullopt;
               nn::set_print_options(o);
               return none();
             });

  // ---- what it is
  r.method("size", "input, dim=", [](Args& a) -> PyObject* {
    if (a.has(1)) return to_python(a.tensor(0).size(a.integer(1)));
    return shape_object(a.tensor(0).shape());
  });
  r.both("numel", "input", [](Args& a) { return a.tensor(0).numel(); });
  r.method("nelement", "input", [](Args& a) { return a.tensor(0).numel(); });
  r.method("dim", "input", [](Args& a) { return a.tensor(0).dim(); });
  r.alias("ndimension");
  r.method("element_size", "input", [](Args& a) { return a.tensor(0).element_size(); });
  r.method("stride", "input, dim=", [](Args& a) -> PyObject* {
    const std::vector<int64_t> s = a.tensor(0).stride();
    if (a.has(1)) {
      const int64_t n = static_cast<int64_t>(s.size()), i = a.integer(1);
      if (i < -n || i >= n) nn::raise<nn::IndexError>("stride: axis {} of {}", i, n);
      return to_python(s[i < 0 ? i + n : i]);
    }
    PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(s.size()));
    for (size_t i = 0; i < s.size(); ++i)
      PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(i), to_python(s[i]));
    return tuple;
  });
  r.method("storage_offset", "input", [](Args& a) { return a.tensor(0).storage_offset(); });
  r.method("is_contiguous", "input", [](Args& a) { return a.tensor(0).is_contiguous(); });
  r.method("data_ptr", "input", [](Args& a) {
    const auto e = a.tensor(0).share();
    const auto item = static_cast<int64_t>(a.tensor(0).element_size());
    return PyLong_FromVoidPtr(static_cast<char*>(e.base.raw()) + e.offset * item);
  });
  r.method("_storage_id", "input",
           [](Args& a) { return PyLong_FromVoidPtr(const_cast<void*>(a.tensor(0).storage_id())); });
  // The whole memory behind the tensor, flat; a copy.
  r.method("_storage_tensor", "input", [](Args& a) {
    const Array base = a.tensor(0).share().base;
    return Tensor(base.reshaped(Shape{base.count()}).clone());
  });
  r.method("_storage_size", "input", [](Args& a) { return a.tensor(0).share().base.count(); });
  r.method("_is_view", "input", [](Args& a) { return a.tensor(0).is_view(); });
  r.both("is_floating_point", "input", [](Args& a) { return a.tensor(0).is_floating_point(); });
  r.both("is_complex", "input", [](Args&) { return false; });
  r.both("is_nonzero", "input", [](Args& a) { return a.tensor(0).is_nonzero(); });
  r.method("is_signed", "input", [](Args& a) {
    return a.tensor(0).dtype() != DType::u8 && a.tensor(0).dtype() != DType::bool_;
  });
  r.function("is_tensor", "obj", [](Args& a) { return a.is_tensor(0); });
  r.both("is_same_size", "input, other",
         [](Args& a) { return a.tensor(0).shape() == a.tensor(1).shape(); });
}

void define_tensor(Registry& r) {
  define_conversion(r);
  define_pointwise(r);
  define_binary(r);
  define_reductions(r);
  define_shapes(r);
  define_selection(r);
  define_linear_algebra(r);
  define_creation(r);
}

void define_shared_memory(nb::module_& m) {
  nb::class_<SharedMemory>(m, "SharedMemory").def_prop_ro("__array_interface__", interface_of);
}

}  // namespace trivium::python
